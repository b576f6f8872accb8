/** The page: what is typed goes to the model, and what the model says comes back. */

import { readAddress, writeAddress } from "./address.js";
import { Alphabet, InputError } from "./alphabet.js";
import { byId, element, fillSelect, say, toggle } from "./dom.js";
import { save } from "./downloads.js";
import { Rows, encodeInput, joined, lettersOf, positionsOf } from "./inputs.js";
import { MutantsPanel } from "./mutants_panel.js";
import { several, size } from "./numbers.js";
import { columnsOf } from "./outputs.js";
import { ResiduesPanel } from "./residues_panel.js";
import { scoreElements } from "./score.js";
import { Session, Urgency } from "./session.js";
import { TablePanel } from "./table_panel.js";
import { writeCsv } from "./tables.js";

const PAUSE = 120; // milliseconds without a key before what is typed is scored
const EMPTY = "Type or paste a sequence.";

class App {
  constructor({ runtime, models }) {
    this.models = models;
    this.session = new Session(runtime.bytes, (loaded, total) => this.#tellLoading(loaded, total));
    this.mutants = new MutantsPanel(this.session, (error) => this.#fail(error));
    this.residues = new ResiduesPanel();
    this.table = new TablePanel(this.session);
    this.boxes = [byId("first"), byId("second")];
    this.request = new AbortController();
    say("colophon", `Computed by ${runtime.package} ${runtime.version} (MIT), in WebAssembly. Written by lyra-hf page.`);
    this.#listen();
    fillSelect(byId("model"), models.map((model) => model.name));
    toggle("picker", models.length > 1);
    this.#readAddress();
  }

  #listen() {
    byId("model").addEventListener("change", () => this.#useModel(byId("model").value));
    for (const box of this.boxes) {
      box.addEventListener("input", () => {
        this.#isBusy(true);
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.#update(), PAUSE);
      });
    }
    byId("example").addEventListener("click", () => this.#setTexts(this.model.example));
    byId("clear").addEventListener("click", () => {
      this.#setTexts([]);
      this.boxes[0].focus();
    });
    byId("copy-link").addEventListener("click", () => this.#copyLink());
    byId("score-download").addEventListener("click", () => this.#download());
    window.addEventListener("hashchange", () => this.#readAddress());
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #onKey(event) {
    const isTyping = event.target.matches("textarea, input, select");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.boxes[0].focus();
      this.boxes[0].select();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      clearTimeout(this.timer);
      this.#update();
    }
  }

  #readAddress() {
    const { model, texts } = readAddress();
    const known = this.models.some((entry) => entry.name === model);
    const name = known ? model : (this.model?.name ?? this.models[0].name);
    this.#trouble(model && !known ? `This page has no model ${model}; it shows ${name}.` : "");
    this.boxes.forEach((box, index) => {
      box.value = texts[index];
    });
    this.#useModel(name);
  }

  #useModel(name) {
    this.model = this.models.find((model) => model.name === name);
    const { model } = this;
    this.alphabet = new Alphabet(model);
    byId("model").value = name;
    document.title = `${model.title} \u00b7 Lyra`;
    say("model-title", model.title);
    this.#tell("task", model.task);
    this.#tell("use", model.use);
    toggle("second-box", model.pair_input);
    say("first-label", model.pair_input ? "First sequence" : "Sequence");
    toggle("example", model.example.length > 0);
    const points = [...model.limits, ...(model.license ? [`Licence of the model: ${model.license}.`] : [])];
    byId("limits").replaceChildren(...points.map((point) => element("p", {}, point)));
    toggle("limits-part", points.length > 0);
    this.table.useModel(model);
    this.#load();
    this.#update();
  }

  /** A paragraph, or none where there is nothing to say. */
  #tell(id, text) {
    say(id, text ?? "");
    toggle(id, Boolean(text));
  }

  async #load() {
    const { model } = this;
    try {
      await this.session.prepare(model);
    } catch (error) {
      if (model === this.model) this.#fail(error);
    }
    if (model === this.model) toggle("loading", false);
  }

  #tellLoading(loaded, total) {
    toggle("loading", true);
    byId("loading-bar").value = loaded / total;
    say("loading-text", loaded < total ? `Loading the model: ${size(loaded)} of ${size(total)}` : "Starting the model");
  }

  #setTexts(texts) {
    this.boxes.forEach((box, index) => {
      box.value = texts[index] ?? "";
    });
    this.#update();
  }

  #texts() {
    return this.boxes.slice(0, this.model.pair_input ? 2 : 1).map((box) => box.value);
  }

  /** Score what stands in the boxes; an answer to what stood there before is not waited for. */
  async #update() {
    this.request.abort();
    const request = new AbortController();
    this.request = request;
    const { model } = this;
    const texts = this.#texts();
    writeAddress(model.name, texts);
    say("copied", "");
    const parts = this.#encode(texts);
    if (!parts) {
      this.#clearResults();
      return;
    }
    this.#isBusy(true);
    try {
      const results = await this.session.predict(model, Rows.from([joined(parts)]), {
        urgency: Urgency.SCORE,
        signal: request.signal,
      });
      if (!request.signal.aborted) this.#show(texts, parts, results, request.signal);
    } catch (error) {
      if (!request.signal.aborted) this.#fail(error);
    }
  }

  /** The token ids of what was typed, or null; what is wrong with it is said. */
  #encode(texts) {
    let parts = null;
    let fault = "";
    if (texts.some((text) => text.trim())) {
      try {
        parts = encodeInput(this.model, this.alphabet, texts.map(lettersOf));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        fault = error.message[0].toUpperCase() + error.message.slice(1);
      }
    }
    say("fault", fault);
    this.boxes.forEach((box, index) => {
      box.setAttribute("aria-invalid", String(Boolean(fault)));
      say(index ? "second-count" : "first-count", this.#count(box.value));
    });
    return parts;
  }

  #count(text) {
    const letters = text.replace(/^\s*>.*/, "").replace(/\s+/g, "").length;
    return letters ? several(letters, "letter") : "";
  }

  #show(texts, parts, results, signal) {
    const { model } = this;
    this.#trouble("");
    this.scored = { texts: texts.map((text) => lettersOf(text).replace(/\s+/g, "")), results };
    const positions = positionsOf(model, joined(parts).length);
    byId("score").replaceChildren(...scoreElements(model, results, positions));
    this.#isBusy(false);
    toggle("score-download", model.head === "sequence");
    if (model.head === "residue") {
      this.mutants.clear();
      this.residues.show(model, this.alphabet, parts, results);
    } else {
      this.residues.clear();
      this.mutants.show(model, this.alphabet, parts, results, signal);
    }
  }

  /** Whether what is shown is not yet the answer to what stands in the boxes. */
  #isBusy(isBusy) {
    byId("score").setAttribute("aria-busy", String(isBusy));
  }

  #clearResults() {
    this.#isBusy(false);
    this.scored = null;
    byId("score").replaceChildren(element("p", { class: "quiet" }, byId("fault").textContent ? "No score." : EMPTY));
    toggle("score-download", false);
    this.mutants.clear();
    this.residues.clear();
  }

  /** The sequence as a table of one row, as `lyra-hf predict` would write it. */
  #download() {
    const { model } = this;
    const { texts, results } = this.scored;
    const columns = new Map(texts.map((text, index) => [index ? "second" : "sequence", () => text]));
    for (const [name, value] of columnsOf(model, results)) columns.set(name, value);
    save(writeCsv([...columns.keys()], [...columns.values()], 1), `${model.name}-score.csv`);
  }

  async #copyLink() {
    const hasRoom = writeAddress(this.model.name, this.#texts());
    try {
      await navigator.clipboard.writeText(location.href);
      say("copied", hasRoom ? "Copied." : "Copied, without the sequence: it is too long for a link.");
    } catch {
      say("copied", "The browser does not let the page copy; the link is in the address bar.");
    }
  }

  #fail(error) {
    this.#clearResults();
    this.#trouble(error.message);
  }

  #trouble(text) {
    say("trouble", text);
    toggle("trouble", Boolean(text));
  }
}

async function start() {
  const trouble = byId("trouble");
  if (!trouble.hidden) return; // check.js has said why the page cannot start
  try {
    const response = await fetch("models.json");
    if (!response.ok) throw new Error(`models.json could not be loaded: the server answers ${response.status}`);
    new App(await response.json());
  } catch (error) {
    trouble.textContent = error.message;
    trouble.hidden = false;
  }
}

start();
