// One region in full: its numbers, its images, its POIs, and the regions that are most like it.

function picture(view, row, place, description) {
  const image = data.images[view][row][place];
  if (!image) return null;
  const name = `${description} of region ${regions.id[row]}`;
  return element('img', {
    src: `data:image/webp;base64,${image}`, alt: name, width: 96, height: 96,
  });
}

function chip(row) {
  return picture('satellite', row, 0, 'From above: image')
    || picture('street_view', row, 0, 'From the street: image')
    || element('span', { class: 'no-image' }, 'no image');
}

function describeRegion(place, row, view, onSelect) {
  const { indicator, split } = view;
  const district = regions.district[row];
  const land = `${readable(regions.area[row])} km², ${Math.round(regions.land[row] * 100)}% of it land`;
  place.replaceChildren(
    element('h3', { tabindex: '-1' }, `Region ${regions.id[row]}`),
    element('p', { class: 'note' }, district ? `${district}, ${land}` : land),
    images(row),
    numbers(row, indicator, split, view),
    everyIndicator(row, view),
    pois(row),
    similar(row, view, onSelect),
  );
}

function images(row) {
  const found = [
    ['from above', picture('satellite', row, 0, 'From above: image')],
    ['from the street', picture('street_view', row, 0, 'From the street: first image')],
    ['from the street', picture('street_view', row, 1, 'From the street: second image')],
  ].filter(([, image]) => image);
  if (!found.length) return element('p', { class: 'note' }, 'No image of this region.');
  return element('div', { class: 'images' }, ...found.map(([words, image]) =>
    element('figure', {}, image, element('figcaption', {}, words))));
}

function numbers(row, indicator, split, view) {
  const lower = split.lower[row];
  const madeBy = view.allLabels.has(row)
    ? 'predicted by the model of all labels: there is no value to compare with'
    : 'predicted out of fold: the model did not see this region';
  const lines = [
    ['Observed', readable(indicator.observed[row])],
    ['Predicted', readable(split.prediction[row])],
    ['90% interval', lower === null ? 'none' : `${readable(lower)} to ${readable(split.upper[row])}`],
    ['From coordinates alone', readable(split.coordinates[row])],
  ];
  return element('div', {},
    element('h4', {}, indicator.title, element('small', {}, `, ${unitOf(indicator)}`)),
    element('dl', {}, ...lines.flatMap(([term, text]) =>
      [element('dt', {}, term), element('dd', {}, text)])),
    split.prediction[row] === null ? '' : element('p', { class: 'note' }, madeBy));
}

function everyIndicator(row, view) {
  const body = data.indicators.map(indicator => {
    const split = indicator.splits[view.splitName];
    return element('tr', {},
      element('th', { scope: 'row' }, indicator.title, element('small', {}, ` ${unitOf(indicator)}`)),
      element('td', {}, readable(indicator.observed[row])),
      element('td', {}, readable(split.prediction[row])));
  });
  const head = ['indicator', 'observed', 'predicted'].map(word => element('th', { scope: 'col' }, word));
  return element('details', {}, element('summary', {}, 'All indicators'),
    element('table', {}, element('thead', {}, element('tr', {}, ...head)),
      element('tbody', {}, ...body)));
}

function pois(row) {
  const found = data.pois[row];
  if (!found) return element('p', { class: 'note' }, 'No POIs are known here.');
  return element('div', {},
    element('h4', {}, 'Points of interest'),
    element('ul', { class: 'pois' }, ...found.counts.map(([category, words]) =>
      element('li', {}, `${category}: ${words}`))),
    found.names.length ? element('p', { class: 'note' }, `Among them: ${found.names.join('; ')}`) : '');
}

function cosineText(cosine) {
  return `cosine ${cosine.toFixed(3)}`.replace('-', '−');
}

let leaveOutNeighbours = true;

function similar(row, view, onSelect) {
  const list = element('ol', { class: 'similar' });
  const fill = () => {
    const found = data.similar[leaveOutNeighbours ? 'elsewhere' : 'everywhere'][row];
    list.replaceChildren(...found.map(([other, cosine]) => element('li', {},
      element('button', { type: 'button', onclick: () => onSelect(other) }, chip(other),
        element('span', {}, element('strong', {}, cosineText(cosine)),
          element('br'), regions.district[other] || regions.id[other],
          element('br'), readable(view.indicator.observed[other] ?? view.split.prediction[other]),
          element('small', {}, view.indicator.observed[other] === null ? ' predicted' : ''))))));
    if (!found.length) list.replaceChildren(element('li', {}, 'No region to compare with.'));
  };
  const box = element('input', { type: 'checkbox', id: 'leave-out' });
  box.checked = leaveOutNeighbours;
  box.addEventListener('change', () => {
    leaveOutNeighbours = box.checked;
    fill();
  });
  fill();
  return element('div', {},
    element('h4', {}, 'Most similar regions'),
    element('p', { class: 'note' },
      'By the cosine of the regions’ own vectors, less the city’s mean: what their images, streets and POIs look like, '
      + `not where they lie. The numbers are ${unitOf(view.indicator)}.`),
    element('label', { class: 'switch' }, box, ' Leave out neighbours (within 2 rings)'),
    list);
}

function drawPairs(place, pairs, onSelect) {
  const rows = pairs.map(([one, other, cosine]) => element('li', {},
    element('button', { type: 'button', onclick: () => onSelect(one), title: nameOf(one) }, chip(one)),
    element('button', { type: 'button', onclick: () => onSelect(other), title: nameOf(other) }, chip(other)),
    element('span', {}, cosineText(cosine), element('br'),
      element('small', {}, `${nameOf(one)}`, element('br'), `${nameOf(other)}`))));
  place.replaceChildren(...(rows.length ? rows : [element('li', {}, 'No two regions to compare.')]));
}
