/** Short words for the elements of the page. */

export function byId(id) {
  return document.getElementById(id);
}

/** An element with attributes and children; texts are texts, never markup. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Fill a choice with names; what was chosen stays chosen if it is still there. */
export function fillSelect(select, names, chosen = select.value) {
  select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  select.value = names.includes(chosen) ? chosen : names[0];
}

/** Show or hide. */
export function toggle(id, isShown) {
  byId(id).hidden = !isShown;
}

/** Put text where it is not already, so that screen readers say it once. */
export function say(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}
