// The data of the page, and how a number is written for a reader.

const data = JSON.parse(document.getElementById('data').textContent);
const regions = data.regions;
const count = regions.id.length;

function readable(value, digits = 3) {
  if (value === null) return 'no value';
  const options = Math.abs(value) >= 1000
    ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits };
  const rounded = Math.abs(value) >= 1000 ? Number(value.toPrecision(digits)) : value;
  return rounded.toLocaleString('en', options).replace('-', '−');
}

function unitOf(indicator) {
  return indicator.unit.replace('km2', 'km²');
}

function signed(value) {
  return value > 0 ? `+${readable(value)}` : readable(value);
}

// Elements are made of text alone: names in the data can hold no markup.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, text = '') {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function nameOf(row) {
  const district = regions.district[row];
  return district ? `${regions.id[row]}, ${district}` : regions.id[row];
}
