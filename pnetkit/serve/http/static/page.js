"use strict";
// The token lives in the field alone: it is in no storage, no address and no cookie.
const by = (id) => document.getElementById(id);
const say = (text) => { by("said").textContent = text; };
let phases = [];
let timer = 0;

async function ask(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${by("token").value.trim()}` };
  const answer = await fetch(path, { ...options, headers, credentials: "omit", redirect: "error" });
  const said = await answer.json().catch(() => ({ error: `the service answers ${answer.status}` }));
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function cell(row, text, name) {
  const made = row.insertCell();
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function inWords(study) {
  if (study.decision === "abnormal") return "called abnormal";
  if (study.decision === "normal") return "not called";
  if (study.reason !== null) return `NOT SCREENED, which is no negative: ${study.reason}`;
  return "";
}

async function show(number) {
  try {
    const link = await ask(`/v1/studies/${number}/report-link`, { method: "POST" });
    by("shown").textContent = number;
    by("report").hidden = false;
    by("frame").src = link.url;
    by("report").scrollIntoView();
  } catch (error) { say(error.message); }
}

async function list() {
  clearTimeout(timer);
  let going = false;
  try {
    const { studies } = await ask("/v1/studies");
    const body = by("studies").tBodies[0];
    body.replaceChildren();
    for (const study of studies) {
      const row = body.insertRow();
      cell(row, study.number);
      cell(row, new Date(study.received_at).toLocaleString());
      cell(row, study.state, study.state);
      cell(row, inWords(study), `reason ${study.decision ?? ""}`);
      const look = cell(row, "");
      if (study.files.includes("report.html")) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = "Report";
        button.setAttribute("aria-label", `Report of study ${study.number}`);
        button.addEventListener("click", () => show(study.number));
        look.append(button);
      }
      going ||= ["receiving", "waiting", "running"].includes(study.state);
    }
    by("studies").hidden = studies.length === 0;
    if (!studies.length) say("No study lies here yet.");
  } catch (error) { say(error.message); }
  if (going) timer = setTimeout(list, 2000);
}

function bodyOf(files) {
  if (files.length === 1 && /\.zip$/i.test(files[0].name)) return files[0];
  const form = new FormData();
  for (const file of files) {
    const nifti = /^(.*)\.nii(\.gz)?$/i.exec(file.name);
    const phase = nifti && phases.find((of) => new RegExp(`(^|[_-])${of}$`, "i").test(nifti[1]));
    if (nifti && !phase) throw new Error(`${file.name} names no phase; wanted one of ${phases.join(", ")} in its name.`);
    form.append(phase || "dicom", file, phase || "image");  // the name of the file stays here
  }
  return form;
}

function send(files) {
  if (!files.length) return;
  let body;
  try { body = bodyOf(files); } catch (error) { say(error.message); return; }
  const request = new XMLHttpRequest();
  request.open("POST", "/v1/studies");
  request.setRequestHeader("Authorization", `Bearer ${by("token").value.trim()}`);
  if (body instanceof File) request.setRequestHeader("Content-Type", "application/zip");
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => { by("progress").value = event.loaded / event.total; });
  request.addEventListener("loadend", () => {
    by("progress").hidden = true;
    const said = request.response;
    if (request.status === 202) say(`Study ${said.number} is taken, and waits.`);
    else if (request.status === 200) say(`This study is there already: number ${said.number}.`);
    else { say(said?.error ?? "The study could not be sent."); return; }
    list();
  });
  by("progress").hidden = false;
  say(`Sending ${files.length} files …`);
  request.send(body);
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const inner of some) found.push(...await filesIn(inner));
  }
}

by("access").addEventListener("submit", (event) => { event.preventDefault(); say(""); list(); });
for (const id of ["files", "folder"]) {
  by(id).addEventListener("change", (event) => { send([...event.target.files]); event.target.value = ""; });
}
by("drop").addEventListener("dragover", (event) => { event.preventDefault(); by("drop").classList.add("over"); });
by("drop").addEventListener("dragleave", () => by("drop").classList.remove("over"));
by("drop").addEventListener("drop", async (event) => {
  event.preventDefault();
  by("drop").classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = [];
  for (const entry of entries) files.push(...await filesIn(entry));
  send(files);
});
fetch("/openapi.json").then((answer) => answer.json()).then((api) => {
  const [byPhase] = api.paths["/v1/studies"].post.requestBody.content["multipart/form-data"].schema.oneOf;
  phases = Object.keys(byPhase.properties);
  by("phases").textContent = phases.map((phase) => `${phase}.nii.gz`).join(", ");
});
