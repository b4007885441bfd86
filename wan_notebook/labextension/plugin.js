// The front-end half of wan-notebook: keeps the records of runs in the metadata of their cells.
//
// The kernel puts one record into the MIME bundle of each output it owns. This plugin watches the output models (not
// the page: models exist for cells that are scrolled away, too) and copies the records to `cell.metadata.wan_notebook`.
// For every run that has not ended it opens a comm to the kernel, because an output that was moved, pasted, reloaded or
// cleared can no longer be updated by its display id; the kernel then sends each new bundle over the comm as well.
// A form is an output with a mark. What belongs below it is sent over the comm, too, because a button of a page that was
// reloaded has no cell for its outputs; and its "Insert as cell" is done here, which no kernel could. Its fields are
// described to screen readers here as well, and it stays readable when its kernel is gone: ipywidgets has neither.
//
// One file without imports, so that it needs no bundler and runs unchanged in JupyterLab 4 and Notebook 7. It is a
// module-federation container written by hand: `init` and `get` are all that JupyterLab asks of one.
// The rule of merging is written down once more, in Python, in wan_notebook/recorder.py; one table of cases tests both.
"use strict";

(() => {
  const MIME = "application/vnd.wan-notebook.v1+json";
  const FORM = "application/vnd.wan-notebook.form.v1+json";
  const NAME = "wan_notebook"; // the metadata's key and the comm's target
  const SCHEMA = 1;
  const MAX_RECORD_BYTES = 16 * 1024;
  const MAX_RUNS = 1000;
  const TURN_MS = 10_000; // in a shared document: ample time for what one page has written to reach the others
  const MAX_TURNS = 10;
  const RUN_ID = /^[A-Za-z0-9_-]{1,64}$/;
  const STATE = /^[a-z_]{1,32}$/;
  const ENDED = new Set([
    "downloaded", "refused", "ambiguous", "failed", "canceled", "expired", "undelivered", "detached",
  ]);

  // ---- Records: pure ----

  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

  /** Whether a value found in a document may be treated as a record. */
  function isRecord(value) {
    return (
      isObject(value) &&
      typeof value.run_id === "string" && RUN_ID.test(value.run_id) &&
      Number.isSafeInteger(value.rev) && value.rev >= 0 &&
      typeof value.state === "string" && STATE.test(value.state) &&
      (value.cell_id == null || (typeof value.cell_id === "string" && value.cell_id.length <= 64)) &&
      new TextEncoder().encode(JSON.stringify(value)).length <= MAX_RECORD_BYTES
    );
  }

  /** The records one output holds: of a sweep its summary and, behind it, an entry for each of its runs. */
  function parts(value) {
    if (!isObject(value) || !Array.isArray(value.members)) return [value];
    const { members, ...summary } = value;
    return [summary, ...members];
  }

  /** The valid records of a cell's metadata. */
  function runsOf(metadata) {
    if (!isObject(metadata) || metadata.schema !== SCHEMA || !Array.isArray(metadata.runs)) return [];
    return metadata.runs.slice(0, MAX_RUNS).filter(isRecord);
  }

  /**
   * What a cell's metadata should become.
   *
   * @param found the records of the cell's outputs, in the order of the outputs, that of a sweep with its members;
   *   anything else is ignored
   * @param metadata what the cell's metadata hold now
   * @returns the new metadata, or null where they may stay as they are
   */
  function merge(found, metadata) {
    if (isObject(metadata) && metadata.schema > SCHEMA) return null; // a later version wrote it, and knows more
    const latest = new Map(); // keeps the order in which the runs first appear
    for (const record of found.flatMap(parts).filter(isRecord)) {
      const seen = latest.get(record.run_id);
      if (seen ? record.rev > seen.rev : latest.size < MAX_RUNS) latest.set(record.run_id, record);
    }
    if (latest.size === 0) return null; // cleared outputs leave the record where it is
    const known = runsOf(metadata);
    for (const record of known) {
      const seen = latest.get(record.run_id);
      if (seen && record.rev >= seen.rev) latest.set(record.run_id, record);
    }
    const runs = [...latest.values()];
    const marks = (list) => JSON.stringify(list.map((record) => [record.run_id, record.rev]));
    const written = isObject(metadata) && Array.isArray(metadata.runs) ? metadata.runs.length : -1;
    if (written === runs.length && marks(known) === marks(runs)) return null;
    return { schema: SCHEMA, runs: JSON.parse(JSON.stringify(runs)) };
  }

  // ---- One open document ----

  class Keeper {
    constructor(context) {
      this.context = context;
      this.watched = new WeakSet();
      this.arrived = new Set(); // cells that are new: what became of their runs while they were away?
      this.changed = new Set(); // cells to look at before the next turn of the event loop
      this.fresh = new Set(); // those of them whose outputs have changed
      this.comm = null;
      this.asked = new Set(); // runs the kernel was asked about over this comm
      this.connected = false; // whether this kernel was ever reached
      this.deaf = false; // the kernel does not know us: say nothing until it shows a run itself or announces itself
      this.waiting = new Map(); // the latest of what waits for this page's turn
      context.ready.then(() => this.begin()).catch(() => {}); // a document that did not open has no cells
    }

    get cells() {
      const cells = this.context.model && this.context.model.cells;
      return this.context.isDisposed || !cells ? [] : [...cells].filter((cell) => cell.type === "code");
    }

    begin() {
      if (this.context.isDisposed) return;
      const session = this.context.sessionContext;
      this.context.model.cells.changed.connect(() => this.review());
      this.expect(session.session && session.session.kernel);
      session.kernelChanged.connect((_, change) => {
        this.forget();
        this.deaf = this.connected = false;
        this.expect(change.newValue);
        if (change.newValue) this.review();
      });
      session.statusChanged.connect((_, status) => {
        if (status !== "restarting" && status !== "autorestarting") return;
        this.forget();
        this.deaf = true;
      });
      session.connectionStatusChanged.connect((_, status) => {
        if (status !== "connected") return;
        if (this.connected && !this.deaf) {
          this.asked.clear(); // what was said while the line was down is lost: ask again
          this.review();
        }
        this.connected = true;
      });
      this.review();
    }

    /** Watch cells that are new (opened, moved, pasted, undone: each is a new model) and look at all of them. */
    review() {
      for (const cell of this.cells) {
        if (!this.watched.has(cell)) {
          this.watched.add(cell);
          this.arrived.add(cell);
          cell.outputs.changed.connect(() => {
            this.fresh.add(cell);
            this.look(cell);
          });
        }
        this.look(cell);
      }
    }

    /** Look at a cell once the change that is under way is complete. */
    look(cell) {
      if (this.changed.size === 0) Promise.resolve().then(() => this.settle());
      this.changed.add(cell);
    }

    settle() {
      const cells = [...this.changed].filter((cell) => !cell.isDisposed);
      this.changed.clear();
      if (this.context.isDisposed) return;
      const open = [];
      for (const cell of cells) {
        if (this.fresh.has(cell) && formsOf(cell).length > 0) this.deaf = false;
        const metadata = merge(outputRecords(cell), cell.getMetadata(NAME));
        if (metadata) cell.setMetadata(NAME, metadata);
        if (metadata && this.fresh.has(cell)) this.deaf = false;
        for (const record of runsOf(cell.getMetadata(NAME))) {
          // the runs of a sweep are told of together
          if (ENDED.has(record.state) || record.sweep) continue;
          open.push(record.run_id);
          if (this.arrived.has(cell)) this.asked.delete(record.run_id);
        }
      }
      this.fresh.clear();
      this.arrived.clear();
      const forms = cells.flatMap(formsOf);
      if (forms.length > 0) describeForms();
      if (this.deaf) return;
      this.attach(open, []);
      this.greet(forms);
    }

    // ---- The line to the kernel ----

    /** The kernel opens (and closes) a comm of its own when it follows again what an earlier one left: ask anew. */
    expect(kernel) {
      if (!kernel || kernel.isDisposed) return;
      kernel.registerCommTarget(NAME, () => {
        this.deaf = false;
        this.asked.clear();
        this.review();
      });
      if (kernel.handleComms) this.recall(kernel);
    }

    /** A page that was reloaded without having been saved has lost what its cells showed; the kernel has not. */
    async recall(kernel) {
      if (this.context.model.collaborative) return; // its server keeps a shared document
      let lines = {};
      try {
        lines = (await kernel.requestCommInfo({ target_name: NAME })).content.comms || {};
      } catch {
        return; // the kernel went away
      }
      const here = this.context.sessionContext.session;
      if (this.context.isDisposed || !here || here.kernel !== kernel || Object.keys(lines).length === 0) return;
      this.attach([], [], this.cells.map((cell) => cell.id).slice(0, MAX_RUNS));
    }

    /** Name those of these forms to the kernel that live in it; a saved one, opened again, is only a picture. */
    async greet(forms) {
      const news = forms.filter((id) => !this.asked.has(`form ${id}`)).slice(0, MAX_RUNS);
      const session = this.context.sessionContext.session;
      const kernel = session && session.kernel;
      if (news.length === 0 || !kernel || kernel.isDisposed || !kernel.handleComms || kernel.status === "dead") return;
      news.forEach((id) => this.asked.add(`form ${id}`));
      let widgets = {};
      try {
        widgets = (await kernel.requestCommInfo({ target_name: "jupyter.widget" })).content.comms || {};
      } catch {
        return; // the kernel went away
      }
      const here = this.context.sessionContext.session;
      if (this.context.isDisposed || this.deaf || !here || here.kernel !== kernel) return;
      this.attach([], news.filter((id) => id in widgets)); // over the comm there is now: another may have come meanwhile
    }

    /** Ask the kernel for every change of these runs, what belongs below these forms, and what these cells showed. */
    attach(runs, forms, cells = []) {
      const news = [...new Set(runs)].filter((id) => !this.asked.has(id)).slice(0, MAX_RUNS);
      const session = this.context.sessionContext.session;
      const kernel = session && session.kernel;
      if (news.length + forms.length + cells.length === 0 || !kernel || kernel.isDisposed || !kernel.handleComms) return;
      if (kernel.status === "dead") return;
      try {
        if (!this.comm || this.comm.isDisposed) {
          this.forget();
          const comm = kernel.createComm(NAME);
          // In a subshell our question would be heard in the middle of a cell, and IPython fires `post_execute` for it:
          // matplotlib would show and close the figures that the cell is still drawing. It can wait.
          comm.commsOverSubshells = "disabled";
          comm.onMsg = (message) => this.hear(message.content.data);
          comm.onClose = () => { // no such target: the extension is not loaded in this kernel (yet)
            if (this.comm !== comm) return;
            this.forget();
            this.deaf = true;
          };
          comm.open({});
          this.comm = comm;
        }
        news.forEach((id) => this.asked.add(id));
        forms.forEach((id) => this.asked.add(`form ${id}`));
        this.comm.send({ type: "attach", runs: news, forms, cells });
      } catch {
        this.forget(); // the kernel went away between the check and the message; the next change asks again
      }
    }

    forget() {
      this.comm = null;
      this.asked.clear();
    }

    hangUp() {
      if (this.comm && !this.comm.isDisposed) this.comm.close();
      this.forget();
    }

    /**
     * All pages that have a shared document open hear the same, and the one that ran the cell is updated by its display
     * id besides. Were each of them to replace the output, it would stand there as often. So the kernel gives each page
     * its turn; a later one finds the work done already, unless those before it could not.
     */
    hear(data) {
      if (!isObject(data)) return;
      if (data.type === "insert") this.insert(data);
      if (!isObject(data.data)) return;
      const metadata = isObject(data.metadata) ? data.metadata : {};
      const turn = this.context.model.collaborative && Number.isSafeInteger(data.turn) ? data.turn : 0;
      if (data.type === "show") {
        const part = isObject(data.data[FORM]) ? data.data[FORM].part : data.data[MIME] && data.data[MIME].run_id;
        this.inTurn(turn, `${data.form} ${part}`, data.data, () => this.show(data.form, data.data, metadata));
      }
      const [record] = parts(data.data[MIME]);
      if (!isRecord(record) || record.run_id !== data.run_id) return;
      if (data.type === "again") this.showAgain(data.cell, record, data.data, metadata);
      if (data.type !== "update") return;
      this.inTurn(turn, record.run_id, data.data, () => this.place(record, data.data, metadata, turn <= 0));
    }

    /**
     * Write a bundle in this page's turn, the latest of each that waits, unless the document holds it then. It is not
     * looked for in what this page shows of a shared one: JupyterLab puts an output that another page replaced at the
     * end, and takes one for the other from then on.
     */
    inTurn(turn, key, data, write) {
      if (turn <= 0) return write();
      this.waiting.set(key, [data, write]);
      setTimeout(() => {
        const [latest, last] = this.waiting.get(key) || [];
        this.waiting.delete(key);
        if (!latest || this.context.isDisposed) return;
        const outputs = this.cells.flatMap((cell) => cell.sharedModel.getOutputs());
        if (!outputs.some((output) => isObject(output.data) && holds(output.data, latest))) last();
      }, Math.min(turn, MAX_TURNS) * TURN_MS);
    }

    /** Put a bundle below its form, unless it is on the page already; the same part takes the place of the earlier. */
    show(form, data, metadata) {
      const [held] = parts(data[MIME]);
      const record = isRecord(held) ? held : null;
      const part = isObject(data[FORM]) ? data[FORM].part : null;
      for (const cell of this.cells) {
        for (let i = 0; i < cell.outputs.length; i++) {
          const [old, mark] = [recordAt(cell, i), markAt(cell, i)];
          if (record && old && old.run_id === record.run_id) return;
          if (record || !mark || mark.form !== form || mark.part !== part) continue;
          if (differs(data, cell.outputs.get(i).data)) {
            cell.outputs.set(i, { output_type: "display_data", data, metadata });
          }
          return;
        }
      }
      const home = this.cells.find((cell) => formsOf(cell).includes(form));
      if (home && (record || part)) home.outputs.add({ output_type: "display_data", data, metadata });
    }

    /** Give a cell back what it showed, unless the document knows of that run. */
    showAgain(id, record, data, metadata) {
      const known = (cell) => [...outputRecords(cell).flatMap(parts), ...runsOf(cell.getMetadata(NAME))];
      if (this.cells.some((cell) => known(cell).some((run) => run.run_id === record.run_id))) return;
      const home = this.cells.find((cell) => cell.id === id);
      if (home) home.outputs.add({ output_type: "display_data", data, metadata });
    }

    /** Insert a cell below that of a form, and say so. */
    insert({ form, source, insertion }) {
      const cells = this.context.isDisposed ? [] : [...this.context.model.cells];
      const at = cells.findIndex((cell) => cell.type === "code" && formsOf(cell).includes(form));
      if (at < 0 || typeof source !== "string") return;
      this.context.model.sharedModel.insertCell(at + 1, { cell_type: "code", source, metadata: {} });
      this.comm.send({ type: "inserted", insertion });
    }

    /** Put a bundle where its run is shown, and its record where it is remembered. */
    place(record, data, metadata, mine = true) {
      for (const cell of this.cells) {
        let shown = false;
        for (let i = 0; i < cell.outputs.length; i++) {
          const old = recordAt(cell, i);
          if (!old || old.run_id !== record.run_id) continue;
          shown = true;
          if (record.rev > old.rev) {
            cell.outputs.set(i, { output_type: "display_data", data, metadata });
          } else if (record.rev === old.rev && mine && differs(data, cell.outputs.get(i).data)) {
            // Only the clock went on. That is worth showing, but nothing to ask a person to save.
            const dirty = this.context.model.dirty;
            cell.outputs.set(i, { output_type: "display_data", data, metadata });
            this.context.model.dirty = dirty;
          }
        }
        if (shown || outputRecords(cell).length > 0) continue; // the outputs decide, see merge
        const runs = runsOf(cell.getMetadata(NAME));
        if (!runs.some((run) => run.run_id === record.run_id && run.rev < record.rev)) continue;
        const news = new Map(parts(data[MIME]).filter(isRecord).map((part) => [part.run_id, part]));
        const newer = (run) => (news.has(run.run_id) && news.get(run.run_id).rev > run.rev ? news.get(run.run_id) : run);
        cell.setMetadata(NAME, { schema: SCHEMA, runs: runs.map(newer) });
      }
    }
  }

  /** The ids of the forms that a cell shows. */
  function formsOf(cell) {
    const found = [];
    for (let i = 0; i < cell.outputs.length; i++) {
      const mark = markAt(cell, i);
      if (mark && typeof mark.form === "string" && RUN_ID.test(mark.form) && !("part" in mark)) found.push(mark.form);
    }
    return found;
  }

  function markAt(cell, index) {
    const data = cell.outputs.get(index).data;
    return isObject(data) && isObject(data[FORM]) ? data[FORM] : null;
  }

  /** What an output holds, and the record of it (of a sweep the summary); null where it is none of ours. */
  function heldAt(cell, index) {
    const data = cell.outputs.get(index).data;
    const held = isObject(data) ? data[MIME] : null;
    return isRecord(parts(held)[0]) ? held : null;
  }

  const recordAt = (cell, index) => parts(heldAt(cell, index))[0];

  function outputRecords(cell) {
    const found = [];
    for (let i = 0; i < cell.outputs.length; i++) found.push(heldAt(cell, i));
    return found.filter(Boolean);
  }

  /** Whether an output holds what is to be shown: the run, this far at least; or the same part below the same form. */
  function holds(old, data) {
    const [before, record] = [old, data].map((one) => parts(one[MIME])[0]);
    if (isRecord(record)) return isRecord(before) && before.run_id === record.run_id && before.rev >= record.rev;
    const [mark, part] = [old, data].map((one) => JSON.stringify(one[FORM] && [one[FORM].form, one[FORM].part]));
    return part !== undefined && mark === part && !differs(data, old);
  }

  const differs = (one, other) => ["text/html", "text/plain"].some((type) => one[type] !== other[type]);

  // ---- What a screen reader has to know of a form, and no widget can tell it ----

  let described = 0;
  let describing = null;

  /** The line below a field describes its control; where it is an alert, the value cannot be used. */
  function describe(field) {
    const control = field.querySelector("textarea, select, input:not([type=file])");
    const below = field.querySelector(".wan-below");
    if (!control || !below) return;
    below.id = below.id || `wan-below-${++described}`;
    control.setAttribute("aria-describedby", below.id);
    control.setAttribute("aria-invalid", String(below.querySelector("[role=alert]") !== null));
  }

  // A form whose kernel is gone can still be read and copied from. ipywidgets marks each of its controls with a broken chain
  // that takes a place of its own; what can be pressed or chosen would do nothing.
  const GONE = `
    .wan-form .jupyter-widgets-disconnected::before { content: none; }
    .wan-form.jupyter-widgets-disconnected::before {
      content: "No kernel answers this form. It shows what was filled in; run this cell again to use it.";
      padding: 0 0 4px; color: inherit; font: bold 13px/1.4 var(--jp-ui-font-family, sans-serif); align-self: stretch;
    }
    .wan-form.jupyter-widgets-disconnected button { display: none; }
    .wan-form.jupyter-widgets-disconnected :is(select, input[type=checkbox]) { pointer-events: none; }
  `;

  /** From the first form on: widgets are drawn some time after their output was added, and again when it is moved. */
  function describeForms() {
    if (describing) return;
    document.head.appendChild(document.createElement("style")).textContent = GONE;
    describing = new MutationObserver(() => document.querySelectorAll(".wan-field").forEach(describe));
    describing.observe(document.body, { childList: true, subtree: true });
  }

  // ---- The plugin ----

  const keepers = new Map(); // one per document, however many views of it are open

  function keep(context) {
    if (keepers.has(context)) return;
    keepers.set(context, new Keeper(context));
    context.disposed.connect(() => keepers.delete(context));
  }

  const plugin = {
    id: "wan-notebook:plugin",
    description: "Keeps the records of Wan image-to-video runs in the metadata of their cells.",
    autoStart: true,
    requires: [],
    activate(app) {
      app.docRegistry.addWidgetExtension("Notebook", {
        createNew(panel, context) {
          keep(context);
        },
      });
      window.addEventListener("pagehide", () => keepers.forEach((keeper) => keeper.hangUp()));
    },
  };

  const modules = {
    "./extension": { __esModule: true, default: plugin },
    "./records": { __esModule: true, merge, isRecord },
  };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["wan-notebook"] = {
    init: async () => {},
    get: async (name) => () => modules[name],
  };
})();
