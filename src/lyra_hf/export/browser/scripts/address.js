/** What is on the page as the address's fragment, so that a link shows the same to whoever opens it. */

const LONGEST = 8000; // letters in a link; more is not taken by every program

export function readAddress() {
  const fields = new URLSearchParams(location.hash.slice(1));
  return { model: fields.get("model"), texts: [fields.get("sequence") ?? "", fields.get("second") ?? ""] };
}

/** Put the model and the sequences in the address; returns whether they had room. */
export function writeAddress(model, texts) {
  const letters = texts.map((text) => text.replace(/\s+/g, ""));
  const hasRoom = letters.join("").length <= LONGEST;
  const fields = new URLSearchParams({ model });
  if (hasRoom && letters[0]) fields.set("sequence", letters[0]);
  if (hasRoom && letters[1]) fields.set("second", letters[1]);
  history.replaceState(null, "", `#${fields}`);
  return hasRoom;
}
