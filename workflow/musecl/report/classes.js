// Classes of about as many regions each, with bounds that can be read, and their colours.

// Of matplotlib's viridis and cividis, and ColorBrewer's PuOr: safe for the colour-blind.
const VIRIDIS = ['#440154', '#443983', '#31688e', '#21918c', '#35b779', '#90d743', '#fde725'];
const CIVIDIS = ['#00224e', '#2a3f6d', '#575d6d', '#7d7c78', '#a59c74', '#d2c060', '#fee838'];
const DIVERGING = ['#542788', '#998ec3', '#d8daeb', '#f2f0eb', '#fee0b6', '#f1a340', '#b35806'];

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

function roundedCuts(sorted, shares) {
  const cuts = shares.map(share => Number(quantile(sorted, share).toPrecision(2)));
  return [...new Set(cuts)].sort((one, other) => one - other);
}

function shades(palette, number) {
  if (number === 1) return [palette[3]];
  return Array.from({ length: number }, (_, place) =>
    palette[Math.round((place * (palette.length - 1)) / (number - 1))]);
}

// From values to the cuts between classes, a colour for each class, and the class of a value.
function classify(values, palette) {
  const known = values.filter(value => value !== null).sort((one, other) => one - other);
  let cuts = [];
  if (known.length && palette === DIVERGING) {
    const sizes = known.map(Math.abs).sort((one, other) => one - other);
    const sides = roundedCuts(sizes, [0.25, 0.6, 0.9]).filter(cut => cut > 0);
    cuts = [...sides.map(cut => -cut).reverse(), ...sides];
  } else if (known.length) {
    const shares = [1, 2, 3, 4, 5, 6].map(part => part / 7);
    cuts = roundedCuts(known, shares).filter(cut => cut > known[0]);
  }
  const colours = shades(palette, cuts.length + 1);
  const classOf = value => cuts.filter(cut => value >= cut).length;
  return { cuts, colours, empty: known.length === 0, colourOf: value => colours[classOf(value)] };
}

function labelsOf({ cuts, empty }, write) {
  if (empty) return [];
  if (!cuts.length) return ['all'];
  const between = cuts.slice(1).map((cut, place) => `${write(cuts[place])} to ${write(cut)}`);
  return [`under ${write(cuts[0])}`, ...between, `${write(cuts[cuts.length - 1])} and more`];
}
