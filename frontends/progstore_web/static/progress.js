// Shows how far a shared session is.
if (!customElements.get("progstore-progress")) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
:host { display: block; --c: var(--progstore-color, light-dark(#2563d9, #5b9bff)) }
:host([hidden]), p:empty { display: none }
section { display: grid; grid: auto / 1fr auto; gap: .25em .8em; overflow-wrap: anywhere }
section + section { margin: .5em 0 0; font-size: .9em }
section + section b { font-weight: 400 }
div, p { grid-column: 1 / 3; margin: 0 }
div { height: .5em; border-radius: 1em; overflow: hidden; background: var(--progstore-track, #8884) }
i { display: block; height: 100%; background: var(--c) }
:not([aria-valuenow]) > i { opacity: .4 }
.complete { --c: var(--progstore-good, light-dark(#16794a, #43c088)) }
.cancelled { --c: gray }
.error, .lost { --c: var(--progstore-bad, light-dark(#c3272f, #ff7d7d)) }
output { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }`);

  let streams = 0; // of six to a host

  const make = (tag, traits, ...inside) => {
    const node = Object.assign(document.createElement(tag), traits);
    node.append(...inside);
    return node;
  };

  const row = ({ name, text, percent, state, message }) =>
    make("section", { part: "row", className: state },
      make("b", { part: "name" }, name),
      make("span", { part: "text" }, text),
      make("div", { part: "bar", role: "progressbar", ariaLabel: name, ariaValueNow: percent, ariaValueText: text },
        make("i", { part: "fill", style: `width: ${percent ?? 100}%` })),
      make("p", { part: "message" }, message ?? ""));

  customElements.define("progstore-progress", class extends HTMLElement {
    static observedAttributes = ["src", "poll", "tasks"];
    #said = make("output");
    #rows = make("span", {}, make("slot"));
    #fails = 0;
    #pollUntil = 0;
    #now;
    #text;
    #timer;
    #stream;

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.append(this.#said, this.#rows);
    }

    connectedCallback() {
      this.#go();
    }

    disconnectedCallback() {
      this.#go();
    }

    attributeChangedCallback(name) {
      if (name === "src") this.#now = this.#text = null;
      if (this.#now) this.#draw(this.#now);
      this.#go();
    }

    #go = (wait) => {
      document[`${this.isConnected ? "add" : "remove"}EventListener`]("visibilitychange", this.#go);
      if (this.#stream) streams -= 1;
      this.#stream = this.#stream?.close();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#open(this.getAttribute("src")), wait);
    };

    #open(src) {
      if (!src || !this.isConnected || document.hidden || this.#now?.ended) return;
      if (streams > 2 || Date.now() < this.#pollUntil || this.hasAttribute("poll")) return this.#look(src);
      streams += 1;
      this.#stream = new EventSource(`${src}/stream`);
      this.#stream.onmessage = (event) => this.#show(event.data);
      this.#stream.onerror = () => {
        this.#pollUntil = Date.now() + 3e4;
        this.#go();
      };
    }

    async #look(src) {
      let wait = (this.getAttribute("poll") || 2) * 1e3;
      try {
        const answer = await fetch(`${src}/progress.json`, { cache: "no-cache" });
        if (!answer.ok) throw Error(answer.status);
        const text = await answer.text();
        if (src === this.getAttribute("src")) this.#show(text);
        this.#fails = 0;
      } catch (error) {
        wait = Math.min(wait * 2 ** ++this.#fails, 6e4);
        this.#text = null;
        this.#draw({ name: "Progress", ...this.#now, text: "not reachable" });
        this.#tell("error", error);
      }
      this.#go(wait);
    }

    #show(text) {
      if (text === this.#text) return;
      const was = this.#now;
      const now = (this.#now = JSON.parse((this.#text = text)));
      this.#draw(now);
      this.#tell("change", now);
      if (was && was.state !== now.state) this.#said.textContent = `${now.name}: ${now.state}`;
      if (now.ended) {
        this.#tell("done", now);
        this.#go();
      }
    }

    #draw(now) {
      const all = this.hasAttribute("tasks") && now.tasks ? [{ ...now, message: "" }, ...now.tasks] : [now];
      this.#rows.replaceChildren(...all.map(row));
    }

    #tell(what, detail) {
      this.dispatchEvent(new CustomEvent(`progstore:${what}`, { detail, bubbles: true }));
    }
  });
}
