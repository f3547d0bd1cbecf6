// Times in the reader's own zone; and what keeps a live page true: word of each change by a stream, or by asking each
// second where there is none, rest while nobody looks, and a word when the server cannot be reached.
"use strict";

{
  const SKEW = 2000; // milliseconds by which the two clocks must differ before we correct ours
  let skew = 0;

  // Hours to 24, for times stand in columns.
  const format = (parts) => new Intl.DateTimeFormat([], { hourCycle: "h23", ...parts });
  const clock = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const minutes = format({ hour: "2-digit", minute: "2-digit" });
  const day = format({ day: "numeric", month: "short" });
  const full = format({ dateStyle: "medium", timeStyle: "medium" });

  const isToday = (at) => at.toDateString() === new Date(Date.now() + skew).toDateString();

  // The text lives in a shadow root, so that merging a new page into this one never meets what was written here.
  class Time extends HTMLElement {
    connectedCallback() {
      this.text ??= this.attachShadow({ mode: "open" });
      this.write();
    }

    attributeChangedCallback() {
      if (this.text) this.write();
    }

    get at() {
      return new Date(this.getAttribute("at"));
    }
  }

  class TimeAt extends Time {
    static observedAttributes = ["at", "form"];

    write() {
      const { at } = this;
      const form = this.getAttribute("form");
      if (form === "full") {
        this.text.textContent = full.format(at);
        return;
      }
      const time = (form === "short" ? minutes : clock).format(at);
      this.text.textContent = isToday(at) ? time : `${day.format(at)} ${minutes.format(at)}`;
      this.title = full.format(at);
    }
  }

  class TimeSince extends Time {
    static observedAttributes = ["at"];
    static all = new Set();

    connectedCallback() {
      TimeSince.all.add(this);
      super.connectedCallback();
    }

    disconnectedCallback() {
      TimeSince.all.delete(this);
    }

    write() {
      const seconds = Math.max(0, Math.floor((Date.now() + skew - this.at) / 1000));
      const [minute, hour, days] = [60, 3600, 86400];
      if (seconds < minute) this.text.textContent = `${seconds} s`;
      else if (seconds < hour) this.text.textContent = `${Math.floor(seconds / minute)} min ${seconds % minute} s`;
      else if (seconds < days) this.text.textContent = `${Math.floor(seconds / hour)} h ${Math.floor((seconds % hour) / minute)} min`;
      else this.text.textContent = `${Math.floor(seconds / days)} d ${Math.floor((seconds % days) / hour)} h`;
    }
  }

  customElements.define("time-at", TimeAt);
  customElements.define("time-since", TimeSince);
  setInterval(() => TimeSince.all.forEach((each) => each.write()), 1000);

  const live = document.getElementById("live");
  if (live) follow(live, document.getElementById("offline"));

  function follow(live, offline) {
    const SLOWLY = 10; // with a stream only each tenth look is taken, lest a stream that died unnoticed be trusted
    const AGAIN = 30000; // milliseconds after which a refused stream is tried again
    let shown = null; // the tag of what the page shows
    let reachedAt = new Date();
    let stream = null;
    let looks = 0;

    const page = () => document.getElementById("page");
    const isStreaming = () => stream?.readyState === EventSource.OPEN;

    function say(reason) {
      offline.textContent = `${reason} What you see is from ${clock.format(reachedAt)}; this page goes on by itself.`;
      offline.hidden = false;
      live.classList.add("old");
    }

    function reached() {
      reachedAt = new Date();
      offline.hidden = true;
      live.classList.remove("old");
    }

    function wake() {
      if (!document.hidden) htmx.trigger(live, "wake");
    }

    // A browser opens six connections to a server at most, over all its windows: one that nobody sees gives its back.
    function listen() {
      if (document.hidden) {
        stream?.close();
        stream = null;
      } else if (live.dataset.changes && !stream) {
        stream = new EventSource(live.dataset.changes);
        stream.addEventListener("message", wake);
        stream.addEventListener("error", () => {
          if (stream?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
          stream = null;
          setTimeout(listen, AGAIN);
        });
      }
    }

    live.addEventListener("htmx:before:request", (event) => {
      const isRoutine = event.detail.ctx.sourceEvent.type === "every";
      if (isRoutine) looks += 1;
      if (document.hidden || (isRoutine && isStreaming() && looks % SLOWLY)) event.preventDefault();
    });

    live.addEventListener("htmx:before:response", (event) => {
      const { status, headers } = event.detail.ctx.response;
      const away = Date.parse(headers.get("date")) - Date.now();
      skew = Math.abs(away) > SKEW ? away : 0;
      if (status === 401) {
        location.reload(); // signed out: the server asks for the token
      } else if (status >= 400) {
        event.preventDefault();
        say(status === 404 ? "This is no longer in the store." : `The server answers with an error (${status}).`);
      } else {
        reached();
        const tag = headers.get("etag");
        if (tag !== null && tag === shown) event.preventDefault();
        shown = tag;
      }
    });

    live.addEventListener("htmx:error", () => say("The server cannot be reached."));

    live.addEventListener("htmx:after:swap", () => {
      if (page().dataset.version !== version) location.reload(); // the server is a newer one, and so are its scripts
      document.title = page().dataset.title;
    });

    const { version } = page().dataset;
    const seen = () => {
      listen();
      wake();
    };
    document.addEventListener("visibilitychange", seen);
    addEventListener("online", seen);
    addEventListener("pageshow", (event) => event.persisted && seen());
    addEventListener("pagehide", () => {
      stream?.close();
      stream = null;
    });
    listen();
  }
}
