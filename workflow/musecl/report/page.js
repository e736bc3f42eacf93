// What is chosen, and who draws it.

const at = id => document.getElementById(id);
const state = { selected: null };

function currentView() {
  const indicator = data.indicators[at('indicator').selectedIndex];
  const layer = LAYERS[document.querySelector('input[name=layer]:checked').value];
  const splitName = at('split').value;
  const split = indicator.splits[splitName];
  const values = layer.values({ indicator, split });
  return {
    indicator, layer, splitName, split, values,
    splitWords: data.splits.find(({ name }) => name === splitName).words,
    allLabels: new Set(split.all_labels),
    classes: classify(values, layer.palette),
  };
}

// Kept until something else is chosen: a tooltip asks for it at every move of the pointer.
let view = null;

function draw() {
  view = currentView();
  map.colour(view);
  drawLegend(at('legend'), view);
  drawScatter(at('scatter'), view, state.selected, select);
  if (state.selected !== null) describeRegion(at('region'), state.selected, view, select);
  document.querySelectorAll('[data-indicator]').forEach(table => {
    table.hidden = table.dataset.indicator !== at('methods-of').value;
  });
  const year = view.indicator.year ? `, ${view.indicator.year}` : '';
  at('map-says').textContent = `${view.layer.title}: ${view.indicator.title.toLowerCase()}${year}`;
}

function select(row) {
  map.mark(row, state.selected);
  map.show(row);
  state.selected = row;
  describeRegion(at('region'), row, view, select);
  drawScatter(at('scatter'), view, row, select);
  at('explorer').scrollTop = 0;
  if (at('explorer').getBoundingClientRect().top > window.innerHeight * 0.8) {
    at('explorer').scrollIntoView();
  }
}

const map = data.indicators.length
  ? makeMap('map', { onSelect: select, currentView: () => view }) : null;
if (map) {
  for (const id of ['indicator', 'split', 'methods-of']) at(id).addEventListener('change', draw);
  document.querySelectorAll('input[name=layer]').forEach(input => input.addEventListener('change', draw));
  draw();
  drawPairs(at('alike'), data.pairs.alike, select);
  drawPairs(at('unlike'), data.pairs.unlike, select);
}
