// The map: a polygon per region, without tiles. Arrow keys walk from region to region.

const NO_VALUE = 'url(#no-value)';

const LAYERS = {
  observed: {
    title: 'Observed',
    says: 'what was measured or counted',
    palette: VIRIDIS,
    values: ({ indicator }) => indicator.observed,
  },
  predicted: {
    title: 'Predicted',
    says: 'by a model that did not see the region; where there is no label, by the model of all labels',
    palette: VIRIDIS,
    values: ({ split }) => split.prediction,
  },
  error: {
    title: 'Error',
    says: 'predicted less observed: above zero, the model says too much',
    palette: DIVERGING,
    values: ({ indicator, split }) => difference(split.prediction, indicator.observed),
  },
  width: {
    title: 'Width of the interval',
    says: 'from the lower to the upper bound of the 90% interval',
    palette: CIVIDIS,
    values: ({ split }) => difference(split.upper, split.lower),
  },
  residual: {
    title: 'Not explained by position',
    says: 'observed less what the coordinates alone predict',
    palette: DIVERGING,
    values: ({ indicator, split }) => difference(indicator.observed, split.coordinates),
  },
};

function difference(values, others) {
  return values.map((value, row) =>
    value === null || others[row] === null ? null : value - others[row]);
}

function valueText(row, view) {
  const value = view.values[row];
  if (value === null) return 'no value';
  const text = view.layer.palette === DIVERGING ? signed(value) : readable(value);
  return `${text} ${unitOf(view.indicator)}`;
}

function hoverText(row, view) {
  const lines = [valueText(row, view)];
  if (view.layer === LAYERS.predicted) {
    const { lower, upper } = view.split;
    if (lower[row] !== null) lines.push(`90% interval: ${readable(lower[row])} to ${readable(upper[row])}`);
  }
  if (view.layer !== LAYERS.observed && view.allLabels.has(row)) {
    lines.push('predicted by the model of all labels');
  }
  return lines;
}

function makeMap(place, { onSelect, currentView }) {
  const renderer = L.svg({ padding: 0.6 });
  const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  const map = L.map(place, {
    zoomAnimation: !still, fadeAnimation: !still, inertia: !still,
    renderer, attributionControl: false, zoomSnap: 0.25, zoomDelta: 0.5, keyboardPanDelta: 120,
  });
  // First, for a polygon is drawn when the map knows where it is.
  map.fitBounds(L.latLngBounds(regions.shape.flat(3)), { padding: [8, 8] });
  const polygons = regions.shape.map((shape, row) => {
    const polygon = L.polygon(shape, { weight: 0.6, className: 'region' }).addTo(map);
    polygon.bindTooltip(() => tooltip(row), { sticky: true, className: 'hover' });
    polygon.on('click', () => onSelect(row));
    const path = polygon.getElement();
    path.setAttribute('role', 'button');
    path.setAttribute('tabindex', row === 0 ? '0' : '-1');
    path.addEventListener('focus', () => polygon.openTooltip(regions.centre[row]));
    path.addEventListener('blur', () => polygon.closeTooltip());
    path.addEventListener('keydown', event => walk(event, row));
    return polygon;
  });

  function tooltip(row) {
    const lines = hoverText(row, currentView()).map(line => element('div', {}, line));
    return element('div', {}, element('strong', {}, nameOf(row)), ...lines);
  }

  function reach(row) {
    polygons.forEach((polygon, other) =>
      polygon.getElement().setAttribute('tabindex', other === row ? '0' : '-1'));
  }

  const STEPS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

  function walk(event, row) {
    if (event.key === 'Enter' || event.key === ' ') onSelect(row);
    else if (event.key === '+' || event.key === '=') map.zoomIn();
    else if (event.key === '-') map.zoomOut();
    else if (STEPS[event.key]) {
      const next = nextTo(row, STEPS[event.key]);
      if (next !== null) {
        reach(next);
        map.panInside(regions.centre[next], { padding: [60, 60] });
        polygons[next].getElement().focus();
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // The nearest region that lies more in this direction than across it.
  function nextTo(row, [east, north]) {
    const [latitude, longitude] = regions.centre[row];
    const shrink = Math.cos((latitude * Math.PI) / 180);
    let best = null;
    let least = Infinity;
    regions.centre.forEach(([otherLatitude, otherLongitude], other) => {
      const x = (otherLongitude - longitude) * shrink;
      const y = otherLatitude - latitude;
      const along = x * east + y * north;
      const across = Math.abs(x * north + y * east);
      const distance = along + 2 * across;
      if (other !== row && along > 0 && along >= across && distance < least) {
        best = other;
        least = distance;
      }
    });
    return best;
  }

  return {
    colour(view) {
      polygons.forEach((polygon, row) => {
        const value = view.values[row];
        polygon.setStyle({
          fillColor: value === null ? NO_VALUE : view.classes.colourOf(value),
          fillOpacity: 1,
        });
        const path = polygon.getElement();
        path.classList.toggle('all-labels', view.allLabels.has(row));
        path.setAttribute('aria-label', `${nameOf(row)}: ${hoverText(row, view).join('; ')}`);
      });
    },
    mark(row, before) {
      if (before !== null) polygons[before].getElement().classList.remove('selected');
      polygons[row].getElement().classList.add('selected');
      polygons[row].bringToFront();
      reach(row);
    },
    show(row) {
      map.panInside(regions.centre[row], { padding: [60, 60] });
    },
  };
}

function drawLegend(place, view) {
  const write = view.layer.palette === DIVERGING ? signed : readable;
  const rows = labelsOf(view.classes, value => write(value)).map((label, number) => {
    const swatch = element('span', { class: 'swatch' });
    swatch.style.background = view.classes.colours[number];
    return element('li', {}, swatch, label);
  });
  if (view.values.includes(null)) {
    rows.push(element('li', {}, element('span', { class: 'swatch no-value' }), 'no value'));
  }
  if (view.allLabels.size) {
    const swatch = element('span', { class: 'swatch all-labels' });
    rows.push(element('li', {}, swatch, 'no label: predicted by the model of all labels'));
  }
  place.replaceChildren(
    element('p', { class: 'legend-title' }, element('strong', {}, view.layer.title),
      `, ${unitOf(view.indicator)}`),
    element('ul', {}, ...rows),
    element('p', { class: 'note' }, view.layer.says),
  );
}
