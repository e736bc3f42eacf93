// Predicted against observed, of regions whose prediction is out of fold.

const SIDE = 420;
const EDGE = { left: 62, right: 14, top: 12, bottom: 46 };

function logTicks(low, high) {
  const powers = [0, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7];
  const within = powers.filter(tick => tick >= low && tick <= high);
  return within.length > 1 ? within : linearTicks(low, high);
}

function linearTicks(low, high) {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(times => times * power).find(size => size >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) {
    ticks.push(Number(tick.toPrecision(6)));
  }
  return ticks;
}

function drawScatter(place, view, selected, onSelect) {
  const { indicator, split } = view;
  const rows = [];
  for (let row = 0; row < count; row += 1) {
    if (indicator.observed[row] !== null && split.prediction[row] !== null
      && !view.allLabels.has(row)) rows.push(row);
  }
  if (!rows.length) {
    place.replaceChildren(element('p', {}, 'No region has both an observed and a predicted value.'));
    return;
  }
  const all = rows.flatMap(row => [indicator.observed[row], split.prediction[row]]);
  const low = all.reduce((one, other) => Math.min(one, other));
  const high = all.reduce((one, other) => Math.max(one, other));
  const scale = indicator.log ? value => Math.log1p(Math.max(value, -0.99)) : value => value;
  const span = scale(high) - scale(low) || 1;
  const x = value => EDGE.left + ((scale(value) - scale(low)) / span) * (SIDE - EDGE.left - EDGE.right);
  const y = value => SIDE - EDGE.bottom
    - ((scale(value) - scale(low)) / span) * (SIDE - EDGE.top - EDGE.bottom);
  const svg = drawn('svg', {
    viewBox: `0 0 ${SIDE} ${SIDE}`, role: 'img', class: 'scatter',
    'aria-label': `Predicted against observed ${indicator.title}, ${rows.length} regions`,
  });
  const ticks = indicator.log ? logTicks(low, high) : linearTicks(low, high);
  for (const tick of ticks) {
    svg.append(
      drawn('line', { class: 'grid', x1: x(tick), x2: x(tick), y1: EDGE.top, y2: SIDE - EDGE.bottom }),
      drawn('line', { class: 'grid', y1: y(tick), y2: y(tick), x1: EDGE.left, x2: SIDE - EDGE.right }),
      drawn('text', { x: x(tick), y: SIDE - EDGE.bottom + 16, 'text-anchor': 'middle' }, readable(tick)),
      drawn('text', { x: EDGE.left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, readable(tick)),
    );
  }
  svg.append(
    drawn('line', { class: 'equal', x1: x(low), y1: y(low), x2: x(high), y2: y(high) }),
    drawn('text', { x: (SIDE + EDGE.left) / 2, y: SIDE - 8, 'text-anchor': 'middle' }, 'observed'),
    drawn('text', { x: 14, y: SIDE / 2, 'text-anchor': 'middle', transform: `rotate(-90 14 ${SIDE / 2})` },
      'predicted'),
  );
  for (const row of rows.filter(one => one !== selected)) svg.append(dot(row, 3, ''));
  if (rows.includes(selected)) {
    const { lower, upper } = split;
    const across = x(indicator.observed[selected]);
    if (lower[selected] !== null) {
      svg.append(drawn('line', {
        class: 'interval', x1: across, x2: across,
        y1: Math.min(y(lower[selected]), SIDE - EDGE.bottom), y2: Math.max(y(upper[selected]), EDGE.top),
      }));
    }
    svg.append(dot(selected, 6, 'selected'));
  }
  const axes = indicator.log ? ', both axes as ln(1+x)' : '';
  const caption = `${rows.length.toLocaleString('en')} regions, ${unitOf(indicator)}${axes}; `
    + `${view.splitWords}. On the dashed line, predicted is observed.`;
  place.replaceChildren(svg, element('figcaption', {}, caption));

  function dot(row, radius, name) {
    const circle = drawn('circle', {
      cx: x(indicator.observed[row]).toFixed(1), cy: y(split.prediction[row]).toFixed(1),
      r: radius, class: name,
    });
    circle.append(drawn('title', {},
      `${nameOf(row)}: observed ${readable(indicator.observed[row])}, predicted ${readable(split.prediction[row])}`));
    circle.addEventListener('click', () => onSelect(row));
    return circle;
  }
}
