// The players of one comparison start, pause and seek together. It touches nothing else of the page.
(() => {
  const NEAR = 0.05; // seconds that nobody sees
  const FAR = 1; // seconds beyond which a player is sent, not hurried
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
    const sent = new Map(); // player: where it was sent by us
    const hurried = new Map(); // player: the speed it was given by us
    let rate = 1;
    let looking = 0;

    const length = (player) => player.duration || 0;
    const lead = () => players.reduce((one, other) => (length(other) > length(one) + NEAR ? other : one));
    const over = (player, time) => length(player) > 0 && time >= length(player) - NEAR;
    const others = (player) => players.filter((other) => other !== player);

    function send(player, time) {
      const to = length(player) ? Math.min(time, length(player)) : time;
      if (Math.abs(player.currentTime - to) <= NEAR) return;
      sent.set(player, to);
      player.currentTime = to;
    }

    function pace(player, speed) {
      hurried.set(player, speed);
      if (player.playbackRate !== speed) player.playbackRate = speed;
    }

    function keepTogether() {
      const first = lead();
      for (const other of others(first)) {
        const behind = first.currentTime - other.currentTime;
        if (first.paused || other.paused || other.seeking || over(other, other.currentTime)) continue;
        if (Math.abs(behind) > FAR) send(other, first.currentTime);
        else pace(other, Math.abs(behind) > NEAR ? rate * Math.min(2, Math.max(0.4, 1 + 2 * behind)) : rate);
      }
      if (players.every((player) => player.paused)) looking = clearInterval(looking);
      show();
    }

    function start(player, time) {
      if (over(player, time)) return;
      send(player, time);
      player.play().catch(() => {});
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

    const seconds = (value) => value.toFixed(1).padStart(4, " ");
    function show() {
      const whole = length(lead());
      const now = lead().currentTime;
      play.textContent = players.some((player) => !player.paused) ? "❚❚ Pause" : "▶ Play all";
      time.textContent = `${seconds(now)} / ${seconds(whole)} s`;
      if (whole && document.activeElement !== slider) slider.value = Math.round((1000 * now) / whole);
    }

    play.onclick = () => {
      if (players.some((player) => !player.paused)) return players.forEach((player) => player.pause());
      const now = over(lead(), lead().currentTime) ? 0 : lead().currentTime;
      players.forEach((player) => start(player, now));
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
    on("play", () => (looking = looking || setInterval(keepTogether, LOOK_MS)));
    on("play", (player) => others(player).forEach((other) => other.paused && start(other, player.currentTime)));
    on("pause", (player) => player.ended || over(player, player.currentTime) || others(player).forEach((o) => o.pause()));
    on("seeking", (player) => {
      const ours = sent.get(player);
      if (ours === undefined || Math.abs(player.currentTime - ours) > NEAR)
        others(player).forEach((other) => send(other, player.currentTime));
    });
    on("seeked", (player) => sent.delete(player));
    on("ratechange", (player) => {
      if (hurried.get(player) === player.playbackRate) return;
      rate = player.playbackRate;
      others(player).forEach((other) => pace(other, rate));
    });
    on("volumechange", (player) => player.muted || others(player).forEach((other) => (other.muted = true)));
    on("timeupdate", () => {});
    on("loadedmetadata", () => {});
    on("ended", (player) => {
      if (player === lead() && loop.checked) players.forEach((other) => start(other, 0));
    });
    show();
  }

  for (const box of document.querySelectorAll(".wan-together:not([data-bound])")) {
    box.dataset.bound = "yes";
    bind(box);
  }
})();
