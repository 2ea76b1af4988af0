// What is wrong with the page as it lies there: a list of sentences. `.ci/pages` runs it at each width and scheme.
(() => {
  const faults = [];
  const root = document.documentElement;
  const text = node => node.textContent.trim().replace(/\s+/g, ' ').slice(0, 40);
  // What a closed part holds has no size: everything is opened, also for who reads it on paper.
  for (const part of document.querySelectorAll('details')) part.open = true;

  if (root.scrollWidth > root.clientWidth) {
    const right = element => element.getBoundingClientRect().right;
    const scrolls = element => getComputedStyle(element).overflowX !== 'visible';
    const boxed = element => element !== document.body && (scrolls(element) || boxed(element.parentElement));
    const all = [...document.body.querySelectorAll('*')];
    const wide = all.filter(element => right(element) > root.clientWidth + 0.5 && !boxed(element.parentElement));
    const which = wide.length ? `<${wide[0].tagName.toLowerCase()}> "${text(wide[0])}"` : 'the page';
    faults.push(`overflow: ${root.scrollWidth} px in ${root.clientWidth} px: ${which}`);
  }

  // Paper can't be scrolled.
  if (matchMedia('print').matches)
    for (const box of document.body.querySelectorAll(':not(svg, svg *)'))
      if (getComputedStyle(box).overflowX !== 'visible' && box.scrollWidth > box.clientWidth + 1)
        faults.push(`cut off: ${box.scrollWidth} px in ${box.clientWidth} px: <${box.tagName.toLowerCase()}> "${text(box)}"`);

  for (const image of document.images) {
    const loaded = image.complete && image.naturalWidth;
    if (!loaded) faults.push(`image not loaded: "${image.alt}" ${image.src.slice(0, 60)}`);
    if (!image.hasAttribute('alt')) faults.push(`image without alt: ${image.src.slice(0, 60)}`);
  }

  const named = svg => svg.getAttribute('aria-label') || svg.querySelector(':scope > title')?.textContent;
  const drawings = [...document.querySelectorAll('svg')].filter(svg => !svg.parentElement.closest('svg'));
  for (const svg of drawings) {
    if (!(named(svg) && svg.getAttribute('role')) && svg.getAttribute('aria-hidden') !== 'true')
      faults.push(`svg without name and role: "${text(svg)}"`);
  }

  // A drawing clips what leaves it, which scrollWidth doesn't count.
  const shown = element => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length;
  for (const svg of drawings.filter(shown)) {
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].filter(shown);
    const labels = texts.map(label => [label, label.getBoundingClientRect()]);
    const sizes = labels.map(([label]) => parseFloat(getComputedStyle(label).fontSize) * label.getScreenCTM().a);
    const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
    const name = named(svg);
    if (least < 8.9 || most > 15) faults.push(`letters of ${least.toFixed(1)} to ${most.toFixed(1)} px in "${name}"`);
    labels.forEach(([label, a], i) => {
      if (a.left < box.left - 1 || a.right > box.right + 1 || a.top < box.top - 2 || a.bottom > box.bottom + 2)
        faults.push(`text leaves its svg: "${text(label)}" in "${name}"`);
      for (const [other, b] of labels.slice(i + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // Boxes of text are a third higher than its digits.
        if (across > 1 && down > 0.3 * Math.min(a.height, b.height))
          faults.push(`text upon text: "${text(label)}" and "${text(other)}"`);
      }
    });
  }

  let level = 0;
  const headings = [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')];
  if (headings.filter(heading => heading.tagName === 'H1').length !== 1) faults.push('headings: not one h1');
  for (const heading of headings) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push(`headings: h${next} "${text(heading)}" after ${level ? 'h' + level : 'nothing'}`);
    level = next;
  }
  if (!document.title || !root.lang) faults.push('no title or no language');

  // WCAG 2's contrast of each text with what lies behind it: 4.5, and 3 for large letters.
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const channels = colour => {
    if (!known.has(colour)) known.set(colour, painted(colour));
    return known.get(colour);
  };
  const painted = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const luminance = colour => {
    const [r, g, b] = colour.map(c => c / 255).map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(channels(getComputedStyle(at).backgroundColor));
    // Chromium's own page is white, or #121212.
    const bare = matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(root).colorScheme.includes('dark');
    return layers.reduce((below, layer) => over(layer, below), bare ? [18, 18, 18, 1] : [255, 255, 255, 1]);
  };
  const told = new Set();
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    const silent = ['title', 'SCRIPT', 'STYLE'].includes(element.tagName);
    if (silent || !words.currentNode.data.trim() || !shown(element)) continue;
    const style = getComputedStyle(element);
    const background = behind(element);
    const ink = over(channels(element.closest('svg') ? style.fill : style.color), background);
    const [dark, light] = [luminance(ink), luminance(background)].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const key = `${ink}|${background}`;
    if (contrast >= enough || told.has(key)) continue;
    told.add(key);
    faults.push(`contrast ${contrast.toFixed(2)} below ${enough}: "${text(words.currentNode)}"`);
  }
  return faults;
})()
