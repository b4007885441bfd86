// The players of one comparison start, pause and seek together. It touches nothing else of the page.
// A player's events are a person's wish unless they answer what was asked of it here: on a busy machine they come late.
(() => {
  const NEAR = 0.05; // seconds that nobody sees
  const FAR = 2; // seconds that the slowest may be behind before it is sent after the others
  const SLOWEST = 0.25; // of the speed, for those that wait for the others
  const LOOK_MS = 100;
  const LOOK =
    "font:inherit;color:inherit;cursor:pointer;padding:3px 12px;border-radius:4px;" +
    "border:1px solid rgba(128,128,128,0.5);background-color:rgba(128,128,128,0.15)";

  function make(name, properties, style) {
    const element = Object.assign(document.createElement(name), properties);
    element.style.cssText = style || "";
    return element;
  }

  function bind(box) {
    const players = [...box.querySelectorAll("video")];
    const bar = box.querySelector(".wan-together-bar");
    if (!bar || players.length === 0) return;
    const expected = new Map(players.map((player) => [player, { play: 0, pause: 0 }])); // events that answer us
    const sent = new Map(); // player: where it was sent by us
    const paced = new Map(); // player: the speed it was given by us
    let rate = 1;
    let looking = 0;

    const length = (player) => player.duration || 0;
    const lead = () => players.reduce((one, other) => (length(other) > length(one) + NEAR ? other : one));
    const over = (player, time) => length(player) > 0 && time >= length(player) - NEAR;
    const others = (player) => players.filter((other) => other !== player);
    const running = () => players.some((player) => !player.paused);

    function press(player, what) {
      if (player.paused === (what === "pause")) return;
      expected.get(player)[what] += 1;
      if (what === "pause") return player.pause();
      player.play().catch((error) => {
        if (error.name !== "AbortError") expected.get(player).play -= 1; // it never started, so no event comes
      });
    }

    function send(player, time) {
      const to = length(player) ? Math.min(time, length(player)) : time;
      if (Math.abs(player.currentTime - to) <= NEAR) return;
      sent.set(player, to);
      player.currentTime = to;
    }

    function start(player, time) {
      if (over(player, time)) return;
      send(player, time);
      press(player, "play");
    }

    function stop(player, time) {
      press(player, "pause");
      send(player, time); // all show the same moment
    }

    function pace(player, speed) {
      paced.set(player, speed);
      if (player.playbackRate !== speed) player.playbackRate = speed;
    }

    function keepTogether() {
      const active = players.filter((p) => !p.paused && !p.seeking && !p.error && p.readyState > 0 && !over(p, p.currentTime));
      const slowest = active.reduce((one, other) => (one && one.currentTime <= other.currentTime ? one : other), null);
      for (const player of active) {
        const ahead = player.currentTime - slowest.currentTime;
        if (ahead > FAR) send(slowest, player.currentTime);
        else pace(player, ahead > NEAR ? rate * Math.max(SLOWEST, 1 - 2 * ahead) : rate);
      }
      if (!running()) looking = clearInterval(looking);
      show();
    }

    const play = make("button", { type: "button", textContent: "▶ Play all" }, LOOK);
    const slider = make(
      "input",
      { type: "range", min: 0, max: 1000, value: 0, title: "Time of all players" },
      "flex:1 1 120px;min-width:80px;accent-color:#4a86e8",
    );
    const time = make("span", {}, "font-variant-numeric:tabular-nums;white-space:nowrap");
    const loop = make("input", { type: "checkbox" }, "margin:0 4px 0 0;vertical-align:middle;accent-color:#4a86e8");
    const label = make("label", {}, "cursor:pointer;white-space:nowrap");
    label.append(loop, "Loop");
    slider.setAttribute("aria-label", slider.title);
    bar.replaceChildren(play, slider, time, label);
    bar.style.cssText += ";display:flex;flex-wrap:wrap;align-items:center;gap:4px 12px;opacity:1;font-size:1em";
    bar.dataset.lmSuppressShortcuts = "true"; // keys pressed here are not JupyterLab's

    function show() {
      const whole = length(lead());
      const now = lead().currentTime;
      play.textContent = running() ? "❚❚ Pause" : "▶ Play all";
      time.textContent = `${now.toFixed(1)} / ${whole.toFixed(1)} s`;
      if (whole && document.activeElement !== slider) slider.value = Math.round((1000 * now) / whole);
    }

    play.onclick = () => {
      const now = lead().currentTime;
      if (running()) players.forEach((player) => stop(player, now));
      else players.forEach((player) => start(player, over(lead(), now) ? 0 : now));
    };
    slider.oninput = () => players.forEach((player) => send(player, (slider.value / 1000) * length(lead())));
    slider.onchange = () => slider.blur();

    const on = (event, what) =>
      players.forEach((player) =>
        player.addEventListener(event, () => {
          what(player);
          show();
        }),
      );
    const answers = (player, what) => {
      const ours = expected.get(player)[what] > 0;
      if (ours) expected.get(player)[what] -= 1;
      return ours;
    };
    on("play", (player) => {
      looking = looking || setInterval(keepTogether, LOOK_MS);
      if (!answers(player, "play")) others(player).forEach((other) => start(other, player.currentTime));
    });
    on("pause", (player) => {
      if (answers(player, "pause") || player.ended || over(player, player.currentTime)) return;
      others(player).forEach((other) => stop(other, player.currentTime));
    });
    on("seeking", (player) => {
      const ours = sent.get(player);
      if (ours === undefined || Math.abs(player.currentTime - ours) > NEAR)
        others(player).forEach((other) => send(other, player.currentTime));
    });
    on("seeked", (player) => player.seeking || sent.delete(player));
    on("ratechange", (player) => {
      if (paced.get(player) === player.playbackRate) return;
      rate = player.playbackRate;
      players.forEach((other) => pace(other, rate));
    });
    on("volumechange", (player) => player.muted || others(player).forEach((other) => (other.muted = true)));
    on("ended", () => loop.checked && !running() && players.forEach((player) => start(player, 0)));
    on("timeupdate", () => {});
    on("loadedmetadata", () => {});
    show();
  }

  for (const box of document.querySelectorAll(".wan-together:not([data-bound])")) {
    box.dataset.bound = "yes";
    bind(box);
  }
})();
