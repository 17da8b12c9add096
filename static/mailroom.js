// Mailroom: the one small script. Theme, dialogs, copy buttons, toasts, keyboard, live updates; every page works without it.
// Events of the server: HX-Trigger "toast" {text, tone, note, undo}; names on /events become DOM events on <body>.
(() => {
  const root = document.documentElement;
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, props = {}, ...inside) => { const el = Object.assign(document.createElement(name), props); el.append(...inside); return el; };
  const csrf = () => { try { return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"]; } catch { return ""; } };

  // ---- theme: a cookie, so that the server paints the next page right
  const themes = ["", "light", "dark"];                       // "" follows the system
  const setTheme = (name) => {
    if (name) root.dataset.theme = name; else delete root.dataset.theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${name}; Path=/; SameSite=Lax; Max-Age=${name ? 31536000 : 0}${secure}`;
    for (const button of all("[data-theme-switch]")) button.setAttribute("aria-label", `Switch theme, now ${name || "as the system"}`);
  };

  // ---- toasts: six seconds, longer while the pointer or focus is on them; with something to press twelve
  const leaveLater = (box, after) => {
    const leave = () => (box.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : box.remove());
    setTimeout(leave, after);
  };
  const toast = ({ text, tone = "ok", note, undo }) => {
    const region = document.getElementById("toasts");
    if (!region || !text) return;
    if (tone === "bad" && all(".toast > div", region).some((old) => old.firstChild?.data === text)) return;   // a poll that fails again
    const mark = make("span", { className: "state" });
    const words = make("div", {}, text);
    if (note) words.append(make("small", { textContent: note }));
    const box = make("div", { className: "toast" }, mark, words);
    box.dataset.tone = mark.dataset.tone = tone;              // the tone sits on the box and on its mark
    if (undo) {
      const form = make("form", { method: "post", action: undo, className: "inline" },
        make("input", { type: "hidden", name: "csrf_token", value: csrf() }), make("button", { type: "submit", className: "btn small", textContent: "Undo" }));
      form.setAttribute("hx-post", undo);
      form.setAttribute("hx-swap", "none");
      form.addEventListener("htmx:afterRequest", () => box.remove());
      box.append(form);
    }
    region.append(box);
    if (undo) window.htmx?.process(box);
    leaveLater(box, undo ? 12000 : 6000);
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.dataset.done = "";
      toast({ text: `Copied ${button.dataset.what || "text"}.` });
      setTimeout(() => delete button.dataset.done, 2000);
    } catch {
      getSelection().selectAllChildren(source);               // no clipboard over plain http: select instead
      toast({ text: "Selected. Press Ctrl+C to copy.", tone: "wait" });
    }
  };

  // ---- dialogs: the slot #dialog holds at most one; it opens when swapped in and its opener gets the focus back
  let opener = null;
  const showDialogs = (within) => {
    for (const dialog of all("dialog[open][data-modal]", within)) {
      if (dialog.matches(":modal")) continue;
      dialog.removeAttribute("open");                           // close() would fire its event later and empty the slot
      dialog.showModal();
      find("[autofocus], [aria-invalid=true], .dialog-body :is(input:not([type=hidden]), select, textarea)", dialog)?.focus();
    }
  };
  const whenClosed = (dialog) => {
    if (dialog.open) return;
    if (dialog.parentElement?.id === "dialog") dialog.remove();
    backToOpener();
  };
  const backToOpener = () => {
    if (!opener || opener.classList.contains("htmx-request") || find("dialog:modal")) return;
    if (opener.isConnected) opener.focus();
    opener = null;
  };

  // ---- times: the server writes UTC, the reader sees the own zone; UTC stays in the title
  const shapes = {
    full: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" },
    exact: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
    time: { hour: "2-digit", minute: "2-digit", timeZoneName: "short" },
    clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
    hour: { hour: "2-digit", minute: "2-digit" },
    day: { day: "numeric", month: "short", year: "numeric" },
  };
  const painted = (shape, moment) => new Intl.DateTimeFormat("en-GB", shape).format(moment).replace("Sept", "Sep");
  const short = (moment) => {
    const today = new Date();
    if (moment.toDateString() === today.toDateString()) return painted({ hour: "2-digit", minute: "2-digit" }, moment);
    return painted({ day: "numeric", month: "short", ...(moment.getFullYear() === today.getFullYear() ? {} : { year: "numeric" }) }, moment);
  };
  const localTimes = (within) => {
    for (const el of all("time[data-local]", within)) {
      const moment = new Date(el.dateTime), form = el.dataset.local;
      if (Number.isNaN(+moment) || form === "ago") continue;
      el.textContent = form === "short" ? short(moment) : painted(shapes[form] || shapes.full, moment);
      delete el.dataset.local;
    }
    for (const el of all("[data-zone]", within)) {
      const zone = painted({ timeZoneName: "short" }, new Date()).split(", ").pop();
      el.textContent = el.dataset.zone === "long" ? `${Intl.DateTimeFormat().resolvedOptions().timeZone} (${zone})` : zone;
    }
  };

  // ---- picks: the bulk bar counts and asks for the numbers behind ("picked"), one box picks the page; a swap of the list keeps them
  const picks = () => all(".rows .pick input[name]");
  let counted = "", kept = new Set();
  const countPicks = () => {
    const boxes = picks().filter((box) => box.checked), picked = boxes.length, every = find("[data-pick-every]:checked");
    for (const el of all("[data-picked]")) el.textContent = every ? `All ${el.dataset.all} picked.` : `${picked.toLocaleString("en")} picked.`;
    for (const box of all("[data-pick-all]")) { box.checked = picked > 0 && picked === picks().length; box.indeterminate = picked > 0 && !box.checked; }
    const now = JSON.stringify([Boolean(every), boxes.map((box) => box.value)]);
    if (picked && now !== counted) document.body.dispatchEvent(new CustomEvent("picked"));
    counted = now;
  };
  const keepPicks = (target) => { kept = new Set(target?.querySelectorAll ? all(".pick input[name]:checked", target).map((box) => box.value) : []); };
  const putPicksBack = () => {
    if (kept.size) counted = "";                              // the new bar has no numbers yet
    for (const box of picks()) if (kept.has(box.value)) box.checked = true;
    kept.clear();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-switch], [data-copy], [data-opens], [data-closes], [data-dismiss], [hx-target='#dialog']");
    if (!button) return;
    if ("themeSwitch" in button.dataset) { event.preventDefault(); setTheme(themes[(themes.indexOf(root.dataset.theme || "") + 1) % 3]); }
    else if (button.dataset.copy) copy(button);
    else if ("dismiss" in button.dataset) button.closest(".toast").remove();
    else if ("closes" in button.dataset) { const dialog = button.closest("dialog"); if (dialog) { event.preventDefault(); dialog.close(); } }
    else if (button.dataset.opens) {
      const dialog = document.getElementById(button.dataset.opens);
      if (dialog) { event.preventDefault(); opener = button; dialog.showModal(); }  // without script the link opens the page
    } else if (!button.closest("dialog")) {
      const menu = button.closest("[popover]");                 // a menu closes and hands over to its own button
      opener = menu ? find(`[popovertarget="${CSS.escape(menu.id)}"]`) : button;
      if (menu?.matches(":popover-open")) menu.hidePopover();
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) for (const box of picks()) box.checked = event.target.checked;
    if (event.target.closest(".pick, .bulk")) countPicks();
  });
  document.addEventListener("reset", () => setTimeout(countPicks));
  document.addEventListener("close", (event) => { if (event.target.matches?.("dialog")) whenClosed(event.target); }, true);
  document.addEventListener("toggle", (event) => { if (event.target.matches?.("dialog") && event.newState === "open") countPicks(); }, true);

  // ---- keyboard (templates/dashboard/_keys.html names all of it): / search, j and k walk through the rows, x picks, e is the row's
  // first action marked data-key="e", g and a letter go to a page of the menu, u takes back what the last toast offers, ? shows help
  const places = {
    h: "/", s: "/search", m: "/mail", w: "/mail/new", r: "/routes", l: "/runs", q: "/queue", d: "/domains", b: "/mailboxes", c: "/contacts",
    p: "/members", t: "/tokens", a: "/audit", x: "/trash", y: "/profile",
  };
  let going = 0;                                                // until when the second key after g is waited for
  const goTo = (letter) => {
    const links = all(".menu-tree a, #me a, .search");
    const goal = places[letter] && links.find((link) => new URL(link.href || link.action, location).pathname === places[letter]);
    if (goal?.matches("form")) location.assign(goal.action); else goal?.click();
  };
  const undoLast = () => all(".toast form button").pop()?.click();
  const rows = () => all(".rows > tbody > tr").filter((row) => !row.matches(".open, .none"));
  const handle = (row) => find(".pick input", row)?.value || find("a", row)?.getAttribute("href");
  let walkedTo;                                                 // where the keys are, also after a refresh took the focused row away
  const rowNow = () => {
    const active = document.activeElement, row = active?.closest?.(".rows > tbody > tr");
    return row || (walkedTo && active === document.body ? rows().find((one) => handle(one) === walkedTo) : null);
  };
  const walk = (step) => {
    const list = rows(), now = list.indexOf(rowNow());
    const next = list[Math.max(0, Math.min(list.length - 1, now < 0 ? 0 : now + step))];
    const goal = next && (find("th a, td:not(.more) a", next) || find("button, input", next));
    goal?.focus();
    walkedTo = next && handle(next);
    next?.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("textarea, select, dialog, [contenteditable]")) return;
    if (event.target.matches("input") && !event.target.matches("[type=checkbox], [type=radio]")) return;
    const row = rowNow();
    if (going > Date.now()) { going = 0; goTo(event.key); }
    else if (event.key === "g") going = Date.now() + 1500;
    else if (event.key === "?") find("[data-keys]")?.click();
    else if (event.key === "u") undoLast();
    else if (event.key === "/") find("#search, .filters input[type=search]")?.focus();
    else if (event.key === "j") walk(1);
    else if (event.key === "k") walk(-1);
    else if (event.key === "x" && row) find(".pick input", row)?.click();
    else if (event.key === "e" && find('[data-key="e"]', row || document)) find('[data-key="e"]', row || document).click();
    else return;
    event.preventDefault();
  });

  // ---- longer forms: data-watch tells what is not saved, data-insert puts a text where the cursor was in the field data-into names
  let unsaved = false, lastField = null;
  const markUnsaved = (form, is = true) => {
    unsaved = is;
    for (const mark of all(`[data-unsaved="${CSS.escape(form.id)}"]`)) { mark.hidden = !is; mark.textContent = "not saved"; }
    for (const mark of all("[data-saved]")) mark.hidden = is;
  };
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form?.matches?.("[data-watch]") || event.target.matches("[name=preview_as], [name=width]")) return;
    markUnsaved(form);
    saveSoon(form);
  });
  document.addEventListener("focusin", (event) => { if (event.target.matches("[data-watch] :is(textarea, input[type=text])")) lastField = event.target; });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-watch]")) return;
    if (saving) { event.preventDefault(); saving.finally(() => form.requestSubmit(event.submitter)); return; }   // one answer after the other
    clearTimeout(soon);
    unsaved = false;
  });
  addEventListener("beforeunload", (event) => {
    if (!unsaved) return;
    event.preventDefault();
    for (const form of all("form[data-autosave]")) saveNow(form);
  });

  // ---- data-autosave: the form is posted there a moment after typing stops. 200 answers with the mark for [data-saved], which bears the
  // stamp of what is kept now; 409 with what stands in the way, and nothing is saved by itself any more; all else is tried again
  let edits = 0, soon = 0, since = 0, saving = null;
  const saveSoon = (form, after = 1500) => {
    if (!form.dataset.autosave) return;
    edits++;
    since ||= Date.now();
    clearTimeout(soon);
    soon = setTimeout(() => saveNow(form), Math.max(0, Math.min(after, since + 10000 - Date.now())));   // who never pauses is saved too
  };
  const saveNow = (form) => {
    if (saving || !form.dataset.autosave) return;               // what comes while it is saved is saved next
    clearTimeout(soon);
    saving = post(form).finally(() => { saving = null; });
  };
  const post = async (form) => {
    const before = edits;
    since = 0;
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.dataset.autosave, { method: "POST", body, headers: { "HX-Request": "true", "X-CSRFToken": csrf() }, redirect: "manual" }).catch(() => null);
    const text = answer && [200, 409].includes(answer.status) && !answer.headers.get("HX-Redirect") ? await answer.text() : "";
    if (answer?.status === 409) {
      delete form.dataset.autosave;
      const slot = find("[data-clash]");
      slot.innerHTML = text;
      localTimes(slot);
      slot.scrollIntoView({ block: "nearest" });
    } else if (text) {
      for (const mark of all("[data-saved]")) { mark.innerHTML = text; localTimes(mark); }
      form.elements.stamp.value = find("[data-saved] [data-stamp]").dataset.stamp;
      if (before === edits) markUnsaved(form, false); else soon = setTimeout(() => saveNow(form), 1500);
    } else {
      const why = answer?.headers.get("HX-Redirect") ? "signed out" : answer ? `error ${answer.status}` : "no connection";
      for (const mark of all(`[data-unsaved="${CSS.escape(form.id)}"]`)) mark.textContent = `not saved: ${why}; tried again`;
      soon = setTimeout(() => saveNow(form), 10000);
    }
  };
  document.addEventListener("keydown", (event) => {
    const form = (event.ctrlKey || event.metaKey) && event.key === "s" && find("form[data-watch]");
    if (!form) return;
    event.preventDefault();
    if (form.dataset.autosave) { markUnsaved(form); edits++; saveNow(form); } else find("button[name=stay]")?.click();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-insert]"), form = button?.closest("form");
    if (!form) return;
    const field = lastField?.form === form && ["subject", "preheader", "body_text", "body_html"].includes(lastField.name) ? lastField : form.elements[button.dataset.into];
    field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const ownZone = () => {                                       // a schedule begins in the reader's zone, when it is offered
    for (const select of all("select[data-zone-choice]")) {
      const zone = Intl.DateTimeFormat().resolvedOptions().timeZone, time = select.form?.elements.schedule_at;
      if (select.value !== "UTC" || time?.value || !zone) continue;
      if (![...select.options].some((option) => option.value === zone)) select.prepend(make("option", { value: zone, textContent: zone.replaceAll("_", " ") }));
      select.value = zone;
    }
  };

  // ---- the search box: arrows choose among what was found so far, Enter opens it or, with nothing chosen, the whole page
  const options = () => all("#found [role=option]:not([aria-disabled])");
  const choose = (goal) => {
    const box = find("#search");
    for (const option of options()) option.setAttribute("aria-selected", option === goal);
    if (goal) box.setAttribute("aria-activedescendant", goal.id); else box.removeAttribute("aria-activedescendant");
    goal?.scrollIntoView({ block: "nearest" });
  };
  const showFound = () => find("#search")?.setAttribute("aria-expanded", String(options().length > 0));
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "search" || event.ctrlKey || event.metaKey || event.altKey) return;
    const list = options(), now = list.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") choose(list[Math.min(list.length - 1, now + 1)]);
    else if (event.key === "ArrowUp") choose(list[now - 1]);
    else if (event.key === "Enter" && now >= 0) list[now].click();
    else if (event.key === "Escape" && list.length) { find("#found").replaceChildren(); showFound(); choose(); }
    else return;
    event.preventDefault();
  });

  // ---- what is typed while an answer is on its way is put into the fields that come with it
  const controls = (within) => all("input[id]:not([type=hidden]), textarea[id], select[id]", within);
  const worth = (control) => (control.type === "checkbox" || control.type === "radio" ? control.checked : control.value);
  const sent = new WeakMap();                                   // request -> what the fields held when it left
  let typed = [];
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (detail.requestConfig?.verb !== "get" && detail.target) sent.set(detail.xhr, new Map(controls(detail.target).map((one) => [one.id, worth(one)])));
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const before = sent.get(detail.xhr);
    typed = before && detail.target ? controls(detail.target).filter((one) => before.has(one.id) && before.get(one.id) !== worth(one)).map((one) => [one.id, worth(one)]) : [];
  });
  const putBack = () => {
    for (const [id, value] of typed.splice(0)) {
      const control = document.getElementById(id);
      if (control) control[typeof value === "boolean" ? "checked" : "value"] = value;
    }
  };

  // ---- htmx: refusals go to the nearest problem slot, server errors become a toast, focus survives a swap
  const isFault = (text) => /^\s*<section[^>]*\sdata-fault/.test(text || "");
  const faultWords = (xhr) => {
    const page = new DOMParser().parseFromString(xhr.responseText || "", "text/html");
    const head = find("[data-fault] :is(h1, h2, h3)", page)?.textContent.trim();
    const id = xhr.getResponseHeader("X-Request-Id");
    return { text: head ? `${head}.` : "Something broke on our side. Nothing was saved.", note: id ? `Request ${id}` : "", tone: "bad" };
  };
  let held = null, unfolded = [];                                // what was unfolded stays so
  const hold = (target) => {
    unfolded = target ? all("details[id][open]", target).map((box) => box.id) : [];
    const active = document.activeElement;
    if (!active || active === document.body || !target?.contains?.(active)) { held = null; return; }
    const row = active.closest("tr");
    held = { id: active.id, row: row?.id, place: row ? rows().indexOf(row) : -1, start: active.selectionStart, end: active.selectionEnd };
  };
  const restore = () => {
    for (const id of unfolded.splice(0)) document.getElementById(id)?.setAttribute("open", "");
    if (!held || (document.activeElement && document.activeElement !== document.body)) { held = null; return; }
    const list = rows();
    const row = (held.row && document.getElementById(held.row)) || (held.place >= 0 && list[Math.min(held.place, list.length - 1)]);
    const goal = (held.id && document.getElementById(held.id)) || (row && find("th a, td a", row));
    goal?.focus?.({ preventScroll: true });
    if (goal && held.start != null) try { goal.setSelectionRange(held.start, held.end); } catch { /* not a text field */ }
    held = null;
  };
  document.addEventListener("htmx:beforeRequest", (event) => {   // whoever presses something has read what was wrong before
    if (event.detail.requestConfig?.triggeringEvent?.isTrusted) for (const slot of all("[data-problem]")) slot.replaceChildren();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (xhr.status >= 500) { toast(faultWords(xhr)); event.detail.shouldSwap = false; return; }
    if (xhr.status >= 400 && isFault(xhr.responseText)) {
      const dialog = requestConfig?.elt?.closest?.("dialog");
      const slot = (dialog && (find("[data-problem]", dialog) || (find(".dialog-body", dialog) || dialog).insertAdjacentElement("afterbegin", make("div")))) || find("#problem");
      if (slot) {
        slot.dataset.problem = ""; slot.setAttribute("role", "alert");
        Object.assign(event.detail, { target: slot, swapOverride: "innerHTML", shouldSwap: true });
        setTimeout(() => slot.scrollIntoView({ block: "nearest" }), 60);
      }
    }
    hold(event.detail.target);
    keepPicks(event.detail.target);
  });
  document.addEventListener("htmx:afterSettle", (event) => { localTimes(event.target); showDialogs(document); putBack(); restore(); backToOpener(); putPicksBack(); countPicks(); findNames(); showFound(); ownZone(); });
  document.addEventListener("htmx:afterRequest", (event) => {
    const dialog = event.detail.elt?.closest?.("dialog"), { xhr, requestConfig } = event.detail;
    const did = event.detail.successful && requestConfig?.verb !== "get" && xhr.status < 300;
    if (dialog?.isConnected && did) dialog.close();
    if (did && !xhr.responseText) { const bar = find("form.bulk"); if (bar) { kept.clear(); bar.reset(); } }   // done with what was picked
    const wrong = xhr?.status === 422 && find("[aria-invalid=true]");
    if (wrong) setTimeout(() => wrong.isConnected && wrong.focus(), 40);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"])
    document.addEventListener(name, () => toast({ text: "The server did not answer. Your input is kept.", tone: "bad", note: "Try again in a moment." }));
  document.addEventListener("toast", (event) => {
    const detail = event.detail || {};
    for (const one of Array.isArray(detail.value) ? detail.value : [detail]) toast(one);
  });

  // ---- live: /events names what changed; parts refresh with hx-trigger="messages-changed from:body, poll from:body"
  const heard = new Set();
  let stream = null, polls = 0, patience = 12;                  // polls between two tries to get the stream
  const missed = new Set();                                     // a page that nobody looks at asks for nothing until somebody does
  const spaced = new Map();                                     // what was just told -> whether it came again since; a throttle in hx-trigger would lose the last one
  const tell = (name, detail) => document.body.dispatchEvent(new CustomEvent(name, { detail, bubbles: false }));
  const say = (name, detail) => {
    if (document.hidden) { missed.add(name); return; }
    if (!name.endsWith("-changed")) { tell(name, detail); return; }
    if (spaced.has(name)) { spaced.set(name, true); return; }
    spaced.set(name, false);
    setTimeout(() => { const again = spaced.get(name); spaced.delete(name); if (again) say(name); }, 1000);
    tell(name, detail);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) for (const name of missed) { missed.delete(name); say(name); }
  });
  const fromServer = (event) => { let detail = event.data; try { detail = JSON.parse(event.data); } catch { /* plain text */ } say(event.type, detail); };
  const findNames = () => {
    if (!stream) return;
    for (const el of all("[hx-trigger*='from:body'], [data-hx-trigger*='from:body']"))
      for (const [, name] of el.getAttribute("hx-trigger").matchAll(/([\w:.-]+)[^,]*?\sfrom:body/g))
        if (name !== "poll" && !heard.has(name)) { heard.add(name); stream.addEventListener(name, fromServer); }
  };
  const pollLater = () => setTimeout(() => {
    say("poll");
    if (++polls % patience === 0) listen(); else pollLater();
  }, 5000);
  const listen = () => {
    const url = document.body.dataset.live;
    if (!url) return;
    let opened = false;
    stream = new EventSource(polls ? url.split("?")[0] : url);  // `since` tells what came between the painting of the page and now
    heard.clear();
    findNames();
    stream.addEventListener("poll", () => say("poll"));
    stream.addEventListener("open", () => { if (opened || polls) say("poll"); opened = true; });  // something may have happened in between
    stream.addEventListener("error", () => { stream?.close(); stream = null; patience = opened ? 1 : 12; pollLater(); });
    stream.addEventListener("message", (event) => { if (/^[\w:.-]+$/.test(event.data)) say(event.data); });
  };
  addEventListener("pagehide", () => { stream?.close(); stream = null; });
  addEventListener("pageshow", (event) => { if (event.persisted) { say("poll"); listen(); } });

  document.addEventListener("DOMContentLoaded", () => {
    localTimes(document);
    showDialogs(document);
    countPicks();
    ownZone();
    for (const box of all("[data-flashed]")) leaveLater(box, box.querySelector("form") ? 12000 : 6000);
    for (const field of all("[aria-invalid=true]").slice(0, 1)) field.focus({ preventScroll: true });
    listen();
  });
})();
