"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;
  const most = Number(document.body.dataset.mostPhotos);
  let models = [];
  let key = "";
  let camera = null;

  const tell = (text) => { at("status").textContent = text; };

  async function call(address, options = {}) {
    const headers = { ...options.headers };
    if (key) headers["X-API-Key"] = key;
    let answer;
    try {
      // Beside this page, wherever a proxy has put it.
      answer = await fetch(address, { ...options, headers });
    } catch {
      throw new Error("The server does not answer. Is it still running?");
    }
    if (answer.ok) return answer;
    if (answer.status === 401) askForKey(key !== "");
    let reason = `The server said ${answer.status}.`;
    try { reason = (await answer.json()).error || reason; } catch { /* it was no JSON */ }
    const wait = Number(answer.headers.get("Retry-After"));
    throw Object.assign(new Error(reason), { wait: answer.status === 429 ? wait || 1 : 0 });
  }

  function askForKey(wrong) {
    at("key-form").hidden = false;
    at("ask").hidden = true;
    if (wrong) at("key-told").textContent = "That is not the key.";
    at("key").focus();
  }

  const model = () => models[at("model").selectedIndex] || models[0];

  async function begin() {
    try {
      models = (await (await call("models")).json()).models;
    } catch (error) {
      if (at("key-form").hidden) tell(error.message);
      return;
    }
    at("key-form").hidden = true;
    at("ask").hidden = false;
    at("model").replaceChildren(...models.map((one) => new Option(one.name, one.name)));
    at("which").hidden = models.length < 2;
    describe();
  }

  function describe() {
    const one = model();
    const shown = one.classes.slice(0, 12).join(", ");
    const more = one.classes.length > 12 ? ` and ${one.classes.length - 12} more` : "";
    at("about").textContent = `${one.name} tells apart ${one.classes.length} classes: ${shown}${more}.`;
  }

  async function ask(files) {
    const photos = [...files].slice(0, most);
    if (!photos.length) { tell("There was no photo in that."); return; }
    const left = files.length - photos.length;
    tell(photos.length > 1 ? `Looking at ${photos.length} photos.` : "Looking at the photo.");
    const chosen = model();
    const said = [];
    for (const photo of photos) said.push(await answer(photo, chosen));
    tell(said.length > 1
      ? `${said.length} photos answered.${left ? ` ${left} more were left out: ${most} at a time.` : ""}`
      : said[0]);
  }

  async function answer(photo, chosen) {
    const item = at("answer").content.firstElementChild.cloneNode(true);
    const part = (name) => item.querySelector(name);
    const name = photo.name || "photo";
    part("figcaption").textContent = name;
    part("h2").textContent = "…";
    at("answers").prepend(item);
    draw(photo, part(".photo"), name);
    try {
      const found = await (await patiently(() => call(
        `predict?top=5&model=${encodeURIComponent(chosen.name)}`,
        { method: "POST", body: photo, headers: { "Content-Type": "application/octet-stream" } },
      ))).json();
      return show(item, photo, chosen, name, found.predictions[0]);
    } catch (error) {
      part("h2").textContent = "No answer";
      part(".error").textContent = error.message;
      part(".error").hidden = false;
      return `${name}: ${error.message}`;
    }
  }

  async function patiently(asked) {
    for (let tries = 0; ; tries += 1) {
      try { return await asked(); } catch (error) {
        if (!error.wait || tries === 5) throw error;
        tell("The server is busy; waiting.");
        await new Promise((done) => { setTimeout(done, 1000 * error.wait); });
      }
    }
  }

  function show(item, photo, chosen, name, one) {
    const part = (selector) => item.querySelector(selector);
    part("h2").textContent = one.unsure ? "Unsure" : `${one.label} ${percent(one.probability)}`;
    part(".unsure").hidden = !one.unsure;
    part(".unsure").textContent = `Most likely ${one.label}, but only with ${percent(one.probability)}.`;
    part(".unlike").hidden = !one.unlike;
    item.classList.toggle("doubtful", one.unsure || one.unlike);
    part(".hint").hidden = !chosen.activation;
    for (const guess of one.top) part(".bars").append(bar(item, photo, chosen, guess));
    const doubt = one.unlike ? " It is unlike any photo in training." : "";
    return (one.unsure
      ? `${name}: unsure, most likely ${one.label}, ${percent(one.probability)}.`
      : `${name}: ${one.label}, ${percent(one.probability)}.`) + doubt;
  }

  function bar(item, photo, chosen, guess) {
    const row = document.createElement(chosen.activation ? "button" : "div");
    const made = Object.fromEntries(["name", "share", "track", "bar"].map((kind) => {
      const span = document.createElement("span");
      span.className = kind;
      return [kind, span];
    }));
    row.className = "row";
    made.name.textContent = guess.label;
    made.share.textContent = percent(guess.probability);
    made.track.append(made.bar);
    made.bar.style.width = `${100 * guess.probability}%`;
    row.append(made.name, made.share, made.track);
    if (chosen.activation) {
      row.type = "button";
      row.setAttribute("aria-pressed", "false");
      row.addEventListener("click", () => look(item, row, photo, chosen, guess.label));
    }
    const line = document.createElement("li");
    line.append(row);
    return line;
  }

  async function look(item, row, photo, chosen, label) {
    const over = item.querySelector(".over");
    const plain = item.querySelector(".photo");
    const wanted = row.getAttribute("aria-pressed") === "false";
    for (const one of item.querySelectorAll("button.row")) one.setAttribute("aria-pressed", "false");
    over.hidden = true;
    plain.hidden = false;
    if (!wanted) { tell("The photo as it is."); return; }
    row.setAttribute("aria-pressed", "true");
    tell("Looking for what speaks for it.");
    try {
      const found = await patiently(() => call(
        `activation?model=${encodeURIComponent(chosen.name)}&class=${encodeURIComponent(label)}`,
        { method: "POST", body: photo, headers: { "Content-Type": "application/octet-stream" } },
      ));
      const shown = await address(await found.blob());
      if (row.getAttribute("aria-pressed") === "false") return;
      over.src = shown;
      over.alt = `Bright where the photo speaks for ${label}`;
      over.hidden = false;
      plain.hidden = true;
      tell(`Bright is what speaks for ${label}.`);
    } catch (error) {
      row.setAttribute("aria-pressed", "false");
      tell(error.message);
    }
  }

  const address = (blob) => new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(new Error("The picture cannot be shown."));
    reader.readAsDataURL(blob);
  });

  async function draw(photo, canvas, name) {
    canvas.setAttribute("aria-label", name);
    try {
      const picture = await createImageBitmap(photo);
      const scale = Math.min(1, 640 / Math.max(picture.width, picture.height));
      canvas.width = Math.max(1, Math.round(picture.width * scale));
      canvas.height = Math.max(1, Math.round(picture.height * scale));
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    } catch { // a format that browsers do not show, as TIFF
      canvas.hidden = true;
    }
  }

  const photosIn = (transfer) => [...transfer.files].filter((one) => one.type.startsWith("image/") || !one.type);

  at("choose").addEventListener("click", () => at("files").click());
  at("files").addEventListener("change", () => { ask(at("files").files); at("files").value = ""; });
  at("model").addEventListener("change", describe);
  at("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    key = at("key").value.trim();
    begin();
  });
  document.addEventListener("paste", (event) => {
    if (at("ask").hidden || event.target === at("key")) return;
    ask(photosIn(event.clipboardData));
  });
  for (const kind of ["dragover", "drop", "dragleave"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      at("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop" && !at("ask").hidden) ask(photosIn(event.dataTransfer));
    });
  }

  function stop() {
    for (const track of camera ? camera.getTracks() : []) track.stop();
    camera = null;
    at("camera").hidden = true;
    at("webcam").focus();
  }

  if (navigator.mediaDevices && navigator.mediaDevices.getUserMedia) at("webcam").hidden = false;
  at("webcam").addEventListener("click", async () => {
    if (camera) return;
    try {
      camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      tell(`The webcam cannot be used: ${error.message}`);
      return;
    }
    at("camera").hidden = false;
    at("video").srcObject = camera;
    await at("video").play();
    at("take").focus();
  });
  at("stop").addEventListener("click", stop);
  at("take").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = at("video").videoWidth;
    canvas.height = at("video").videoHeight;
    canvas.getContext("2d").drawImage(at("video"), 0, 0);
    canvas.toBlob((blob) => ask([new File([blob], "webcam.jpg", { type: "image/jpeg" })]), "image/jpeg", 0.92);
  });

  begin();
})();
