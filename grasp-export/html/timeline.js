'use strict';
// Draws a run, or several, on a canvas: rows of tasks, vCPUs and servers over one axis of time, in ns after the part's begin.
(() => {
const $ = id => document.getElementById(id);
const t0 = performance.now();
const data = JSON.parse($('data').textContent);
const parsed = performance.now();
const OUTCOMES = ['met', 'missed', 'missed_incomplete', 'unknown', 'truncated'];
const canvas = $('chart'), map = $('map'), g = canvas.getContext('2d'), gm = map.getContext('2d');
const GUTTER = 150, AXIS = 24, COLUMNS = 11;
const state = { t0: 0, t1: 1, selected: null, rows: [], misses: [], length: 1, colors: {}, text: '', only: 'all', vcpus: true, servers: true };

// ---- what the page was given ----

function spans(list) { // start (from the last end), length, CPU and how it ended
	const n = list.length / 3, s = { start: new Float64Array(n), end: new Float64Array(n), cpu: new Int32Array(n), n };
	let at = 0;
	for (let i = 0; i < n; i++) {
		s.start[i] = at += list[3 * i];
		s.end[i] = at += list[3 * i + 1];
		s.cpu[i] = list[3 * i + 2];
	}
	return s;
}

function jobs(list) {
	const n = list.length / COLUMNS, j = { n };
	const names = ['k', 'begin', 'arrival', 'start', 'end', 'deadline', 'release', 'response', 'exec', 'outcome', 'cause'];
	for (const name of names) j[name] = new Float64Array(n);
	j.last = new Float64Array(n);
	const late = names.slice(2, 7).map(name => j[name]); // times after the begin
	let k = 0, at = 0;
	for (let i = 0, c = 0; i < n; i++) {
		j.k[i] = k += list[c++];
		j.begin[i] = at += list[c++]; // of what is known of it
		for (const column of late) { const v = list[c++]; column[i] = v === null ? NaN : at + v; }
		const response = list[c++], exec = list[c++];
		j.response[i] = response === null ? NaN : response;
		j.exec[i] = exec === null ? NaN : exec;
		j.outcome[i] = list[c++];
		j.cause[i] = list[c++];
	}
	// where a job that is not known to have ended ceases to be drawn
	for (let i = 0; i < n; i++)
		j.last[i] = !isNaN(j.end[i]) ? j.end[i] : i + 1 < n ? Math.max(j.begin[i + 1], j.begin[i]) : Infinity;
	return j;
}

function points(list) {
	const n = list.length / 2, p = { at: new Float64Array(n), left: new Float64Array(n), n };
	let at = 0;
	for (let i = 0; i < n; i++) {
		p.at[i] = at += list[2 * i];
		p.left[i] = list[2 * i + 1];
	}
	return p;
}

for (const run of data.runs) {
	run.tasks.forEach((t, i) => {
		t.jobs = jobs(t.jobs);
		t.spans = spans(t.spans);
		t.longest = 0;
		for (let k = 0; k < t.jobs.n; k++) {
			t.jobs.last[k] = Math.min(t.jobs.last[k], run.length);
			t.longest = Math.max(t.longest, t.jobs.last[k] - t.jobs.begin[k]);
			const due = t.jobs.deadline[k];
			if (t.jobs.outcome[k] === 1 || t.jobs.outcome[k] === 2)
				state.misses.push({ run, task: t, k, at: isNaN(due) ? t.jobs.begin[k] : due });
		}
	});
	run.vcpus.forEach(v => { v.spans = spans(v.spans); });
	run.servers.forEach(s => { s.points = points(s.points); });
	state.length = Math.max(state.length, run.length);
}
state.misses.sort((a, b) => a.at - b.at);
state.t1 = state.length;

// ---- rows ----

function layout() {
	const rows = [], words = state.text.toLowerCase();
	let y = AXIS;
	const add = (h, row) => { rows.push(Object.assign(row, { y, h })); y += h; };
	for (const run of data.runs) {
		if (data.runs.length > 1) add(24, { kind: 'title', run, name: run.name });
		for (const task of run.tasks)
			if (!words || task.label.toLowerCase().includes(words)) add(44, { kind: 'task', run, task, name: task.label });
		if (state.vcpus) for (const vcpu of run.vcpus) add(24, { kind: 'vcpu', run, vcpu, name: vcpu.name });
		if (state.servers) for (const server of run.servers) add(44, { kind: 'server', run, server, name: 'server ' + server.name });
	}
	state.rows = rows;
	state.height = y + 8;
}

// the first index whose value is above x
function above(list, x) {
	let low = 0, high = list.length;
	while (low < high) { const m = low + high >> 1; if (list[m] > x) high = m; else low = m + 1; }
	return low;
}

// ---- drawing ----

const width = () => canvas.clientWidth || 800;
const px = t => GUTTER + (t - state.t0) / (state.t1 - state.t0) * (width() - GUTTER - 10);
const at = x => state.t0 + (x - GUTTER) / (width() - GUTTER - 10) * (state.t1 - state.t0);

function colors() {
	const style = getComputedStyle(document.documentElement), c = state.colors;
	for (const name of ['ground', 'ink', 'quiet', 'line', 'band', 'a', 'b', 'c', 'd', 'm', 'hatch']) c[name] = style.getPropertyValue('--' + name).trim();
	const tile = document.createElement('canvas');
	tile.width = tile.height = 8;
	const h = tile.getContext('2d');
	h.strokeStyle = c.hatch;
	h.beginPath();
	for (const o of [-8, 0, 8]) { h.moveTo(o, 8); h.lineTo(o + 8, 0); }
	h.stroke();
	c.pattern = g.createPattern(tile, 'repeat');
}

function size(element, context, height) {
	const ratio = window.devicePixelRatio || 1, w = width();
	element.style.height = height + 'px';
	if (element.width !== Math.round(w * ratio) || element.height !== Math.round(height * ratio)) {
		element.width = Math.round(w * ratio);
		element.height = Math.round(height * ratio);
	}
	context.setTransform(ratio, 0, 0, ratio, 0, 0);
	context.clearRect(0, 0, w, height);
}

function step(span, room) {
	const raw = span / Math.max(room / 90, 1), power = 10 ** Math.floor(Math.log10(raw));
	return [1, 2, 5, 10].map(f => f * power).find(v => v >= raw) || 10 * power;
}

function duration(ns) {
	if (isNaN(ns)) return 'unknown';
	const size = Math.abs(ns);
	return size >= 1e9 ? (ns / 1e9).toFixed(6) + ' s' : size >= 1e6 ? (ns / 1e6).toFixed(3) + ' ms' : size >= 1e3 ? (ns / 1e3).toFixed(1) + ' us' : ns.toFixed(0) + ' ns';
}

function axis() {
	const c = state.colors, by = step(state.t1 - state.t0, width() - GUTTER), unit = by >= 1e9 ? 1e9 : by >= 1e6 ? 1e6 : by >= 1e3 ? 1e3 : 1;
	g.font = '11px system-ui, sans-serif';
	g.textAlign = 'center';
	// counted, because numbers of 2^53 and more do not grow by 1
	const first = Math.ceil(state.t0 / by), n = Math.floor((state.t1 - state.t0) / by) + 2;
	for (let k = 0; k < n; k++) {
		const i = first + k;
		if (i * by > state.t1) break;
		g.fillStyle = c.line;
		g.fillRect(px(i * by), AXIS - 4, 1, state.height - AXIS);
		g.fillStyle = c.quiet;
		g.fillText(+(i * by / unit).toPrecision(12) + ({ 1e9: ' s', 1e6: ' ms', 1e3: ' us', 1: ' ns' })[unit], px(i * by), 14);
	}
}

// Boxes, where there is room for each; else how much of each pixel is covered.
function bars(list, y, h, color) {
	const w = width(), cover = new Float32Array(Math.ceil(w) + 2);
	const first = above(list.end, state.t0), last = above(list.start, state.t1);
	g.fillStyle = color;
	for (let i = first; i < last; i++) {
		const x0 = Math.max(px(list.start[i]), GUTTER), x1 = Math.min(px(list.end[i]), w - 10);
		if (x1 - x0 >= 1) g.fillRect(x0, y, x1 - x0, h);
		else if (x1 >= x0) cover[x0 | 0] += x1 - x0;
	}
	for (let x = GUTTER; x < w; x++) {
		if (!cover[x]) continue;
		g.globalAlpha = Math.min(1, .25 + cover[x]);
		g.fillRect(x, y, 1, h);
	}
	g.globalAlpha = 1;
}

// Calls f(from, to) for what of [from, to] lies within the spans.
function within(list, from, to, f) {
	for (let i = above(list.end, from); i < list.n && list.start[i] < to; i++) f(Math.max(from, list.start[i]), Math.min(to, list.end[i]));
}

const missed = o => o === 1 || o === 2;
const shown = o => state.only === 'all' || (state.only === 'missed' ? missed(o) : state.only === 'unknown' ? o >= 3 : o === 0);

function box(from, to, y, h) {
	const x0 = Math.max(px(from), GUTTER), x1 = Math.min(px(to), width() - 10);
	if (x1 > x0) g.fillRect(x0, y, Math.max(x1 - x0, .5), h);
}

function arrow(x, y0, y1, color) {
	const d = y1 > y0 ? -4 : 4;
	g.strokeStyle = g.fillStyle = color;
	g.lineWidth = 1.2;
	g.beginPath(); g.moveTo(x, y0); g.lineTo(x, y1 + d); g.stroke();
	g.beginPath(); g.moveTo(x, y1); g.lineTo(x - 3, y1 + d); g.lineTo(x + 3, y1 + d); g.fill();
}

const vcpuOf = (row, cpu) => row.task.vcpus.length ? row.run.vcpus[row.task.vcpus[cpu] ?? row.task.vcpus[0]] : null;
const isSelected = (row, i) => state.selected && state.selected.task === row.task && state.selected.k === i;
const fade = (row, i) => { g.globalAlpha = shown(row.task.jobs.outcome[i]) ? 1 : .15; };

// The first slice that may be the job's own.
function ownFrom(row, i) {
	const j = row.task.jobs;
	return above(row.task.spans.end, isNaN(j.start[i]) ? j.begin[i] : j.start[i]);
}

// The whole time of a job: empty where it is preempted, hatched where its vCPU does not run.
function drawFrame(row, i, base, h) {
	const c = state.colors, j = row.task.jobs, from = j.begin[i], to = j.last[i], s = row.task.spans, own = ownFrom(row, i);
	const vcpu = vcpuOf(row, own < s.n ? s.cpu[own] : 0);
	fade(row, i);
	g.fillStyle = c.ground;
	box(from, to, base - h, h);
	if (vcpu) {
		g.fillStyle = c.pattern;
		box(from, to, base - h, h);
		g.fillStyle = c.ground;
		within(vcpu.spans, from, to, (a, b) => box(a, b, base - h, h));
	}
	g.strokeStyle = isSelected(row, i) ? c.b : c.quiet;
	g.lineWidth = isSelected(row, i) ? 3 : .6;
	const x0 = Math.max(px(from), GUTTER), x1 = Math.min(px(to), width() - 10);
	if (x1 > x0) g.strokeRect(x0, base - h, x1 - x0, h);
}

// When it ran, in red behind the deadline.
function drawRuns(row, i, base, h) {
	const c = state.colors, j = row.task.jobs, from = j.begin[i], to = j.last[i], due = j.deadline[i], s = row.task.spans;
	fade(row, i);
	for (let k = ownFrom(row, i); k < s.n && s.start[k] < to; k++) {
		const v = vcpuOf(row, s.cpu[k]), a = Math.max(s.start[k], isNaN(j.start[i]) ? from : j.start[i]), b = Math.min(s.end[k], to);
		const fill = (a, b) => {
			g.fillStyle = c.a;
			if (!(a >= due)) box(a, isNaN(due) ? b : Math.min(b, due), base - h, h);
			g.fillStyle = c.m;
			if (b > due) box(Math.max(a, due), b, base - h, h);
		};
		if (v) within(v.spans, a, b, fill); else fill(a, b);
	}
}

function drawRelease(row, i, base) {
	const t = row.task.jobs.arrival[i];
	fade(row, i);
	if (t >= state.t0 && t <= state.t1) arrow(px(t), base, base - 32, state.colors.ink);
}

function drawDeadline(row, i, base) {
	const c = state.colors, j = row.task.jobs, due = j.deadline[i], bad = missed(j.outcome[i]);
	if (!(due >= state.t0 && due <= state.t1)) return;
	fade(row, i);
	arrow(px(due), base - 32, base, bad ? c.m : j.outcome[i] === 0 ? c.ink : c.quiet);
	if (!bad) return;
	g.font = 'bold 12px system-ui';
	g.textAlign = 'center';
	g.fillText('\u00d7', px(due), base - 31);
}

function drawTask(row) {
	const c = state.colors, j = row.task.jobs, base = row.y + row.h - 6, w = width();
	const first = above(j.begin, state.t0 - row.task.longest), last = above(j.begin, state.t1);
	if (last - first < (w - GUTTER) / 3) {
		// late jobs overlap the next ones: what matters more is drawn later
		for (const pass of [drawFrame, drawRuns, drawRelease, drawDeadline])
			for (let i = first; i < last; i++) if (j.last[i] >= state.t0 || j.deadline[i] >= state.t0) pass(row, i, base, 18);
		g.globalAlpha = 1;
		return;
	}
	// more jobs than room: for each two pixels, the share of those that missed
	const n = Math.ceil((w - GUTTER) / 2) + 1, all = new Float32Array(n), bad = new Float32Array(n), odd = new Float32Array(n);
	for (let i = first; i < last; i++) {
		const x = Math.floor((px(j.begin[i]) - GUTTER) / 2);
		if (x < 0 || x >= n || !shown(j.outcome[i])) continue;
		all[x]++;
		if (missed(j.outcome[i])) bad[x]++; else if (j.outcome[i] >= 3) odd[x]++;
	}
	for (let x = 0; x < n; x++) {
		if (!all[x]) continue;
		g.fillStyle = c.a; g.globalAlpha = .45; g.fillRect(GUTTER + 2 * x, base - 24, 2, 24); g.globalAlpha = 1;
		if (odd[x]) { g.fillStyle = c.quiet; g.fillRect(GUTTER + 2 * x, base - 24, 2, Math.max(3, 24 * odd[x] / all[x])); }
		if (bad[x]) { g.fillStyle = c.m; const high = Math.max(4, 24 * bad[x] / all[x]); g.fillRect(GUTTER + 2 * x, base - high, 2, high); }
	}
}

function drawServer(row) {
	const c = state.colors, p = row.server.points, base = row.y + row.h - 6, most = row.server.budget || 1, w = width();
	const first = Math.max(above(p.at, state.t0) - 1, 0), last = Math.min(above(p.at, state.t1) + 1, p.n);
	const y = v => base - Math.min(v / most, 1.05) * 32;
	g.save();
	g.beginPath(); g.rect(GUTTER, row.y, w - GUTTER - 10, row.h); g.clip();
	g.beginPath();
	if (last - first < 4 * w) {
		for (let i = first; i < last; i++) i === first ? g.moveTo(px(p.at[i]), y(p.left[i])) : g.lineTo(px(p.at[i]), y(p.left[i]));
	} else { // the range of each pixel
		let x = -1, low = 0, high = 0;
		for (let i = first; i < last; i++) {
			const now = Math.round(px(p.at[i]));
			if (now !== x) { if (x >= 0) { g.moveTo(x, y(low)); g.lineTo(x, y(high) - .5); } x = now; low = high = p.left[i]; }
			low = Math.min(low, p.left[i]); high = Math.max(high, p.left[i]);
		}
	}
	g.strokeStyle = c.b; g.lineWidth = 1.4; g.stroke();
	g.restore();
}

function draw() {
	const c = state.colors;
	size(canvas, g, state.height);
	axis();
	for (const row of state.rows) {
		for (const loss of row.run.losses) { g.fillStyle = c.line; box(loss[0], Math.max(loss[1], loss[0] + (state.t1 - state.t0) / 2000), row.y, row.h); }
		g.fillStyle = c.ink;
		g.textAlign = row.kind === 'title' ? 'left' : 'right';
		g.font = row.kind === 'title' ? 'bold 13px system-ui, sans-serif' : '12px system-ui, sans-serif';
		let name = row.name.length > 200 ? '\u2026' + row.name.slice(-200) : row.name;
		if (row.kind !== 'title') while (name.length > 4 && g.measureText(name).width > GUTTER - 12) name = '\u2026' + name.slice(2);
		g.fillText(name, row.kind === 'title' ? 6 : GUTTER - 6, row.y + row.h / 2 + 5);
		if (row.kind === 'title') continue;
		if (row.kind === 'task') drawTask(row);
		if (row.kind === 'vcpu') bars(row.vcpu.spans, row.y + 6, 12, c.d);
		if (row.kind === 'server') drawServer(row);
		g.fillStyle = c.quiet;
		g.fillRect(GUTTER, row.y + row.h - 6, width() - GUTTER - 10, 1);
	}
	drawMap();
	$('where').textContent = duration(state.t0) + ' \u2013 ' + duration(state.t1);
	state.drawn = performance.now();
}

// The whole run in one strip: misses, and what is shown.
function drawMap() {
	const c = state.colors, w = width(), scale = t => GUTTER + t / state.length * (w - GUTTER - 10);
	size(map, gm, 34);
	gm.fillStyle = c.band;
	gm.fillRect(GUTTER, 4, w - GUTTER - 10, 26);
	gm.fillStyle = c.m;
	let last = -1;
	for (const m of state.misses) { const x = scale(m.at) | 0; if (x !== last) gm.fillRect(x, 4, 1, 26); last = x; }
	gm.strokeStyle = c.ink;
	gm.lineWidth = 1.5;
	gm.strokeRect(scale(state.t0), 3, Math.max(scale(state.t1) - scale(state.t0), 3), 28);
	gm.fillStyle = c.quiet;
	gm.font = '11px system-ui, sans-serif';
	gm.textAlign = 'right';
	gm.fillText(state.misses.length + ' misses', GUTTER - 6, 21);
}

let pending = false;
function redraw() {
	if (pending) return;
	pending = true;
	requestAnimationFrame(() => { pending = false; draw(); });
}

// ---- moving ----

function show(t0, t1) {
	const least = 1000, span = Math.min(Math.max(t1 - t0, least), state.length), from = Math.min(Math.max(t0, 0), state.length - span);
	state.t0 = from;
	state.t1 = from + span;
	redraw();
}

function zoom(factor, around) {
	const t = around === undefined ? (state.t0 + state.t1) / 2 : around;
	show(t - (t - state.t0) * factor, t + (state.t1 - t) * factor);
}

function pan(share) { const d = (state.t1 - state.t0) * share; show(state.t0 + d, state.t1 + d); }

function jump(direction) {
	const from = state.selected && state.selected.miss ? state.selected.at : direction > 0 ? state.t0 - 1 : state.t1 + 1;
	const visible = state.misses.filter(m => !state.text || m.task.label.toLowerCase().includes(state.text.toLowerCase()));
	const index = state.selected && state.selected.miss ? visible.findIndex(m => m.task === state.selected.task && m.k === state.selected.k) : -1;
	const next = index >= 0 ? visible[index + direction] : direction > 0 ? visible.find(m => m.at > from) : visible.filter(m => m.at < from).pop();
	if (!next) return;
	select({ run: next.run, task: next.task, k: next.k, at: next.at, miss: true });
	const span = Math.min(Math.max(8 * (next.task.period || 2e7), next.task.jobs.last[next.k] - next.task.jobs.begin[next.k]) * 1.3, state.length);
	show(next.at - span * .55, next.at + span * .45);
}

// ---- details ----

function describe(run, task, i) {
	const j = task.jobs, after = t => isNaN(t) ? 'unknown' : duration(t + run.offset), cause = j.cause[i] > 0 ? run.causes[j.cause[i] - 1] : null;
	const lines = [
		task.label + ', job ' + j.k[i] + ': ' + OUTCOMES[j.outcome[i]] + (cause ? ', because of ' + cause : ''),
		'arrival   ' + after(j.arrival[i]) + ' after the run\u2019s start',
		'start     ' + after(j.start[i]) + (isNaN(j.start[i]) ? '' : '  (+' + duration(j.start[i] - j.arrival[i]) + ')'),
		'end       ' + after(j.end[i]),
		'deadline  ' + after(j.deadline[i]) + (j.end[i] > j.deadline[i] ? '  late by ' + duration(j.end[i] - j.deadline[i]) : ''),
		'response  ' + duration(j.response[i]) + ', execution ' + duration(j.exec[i]),
	];
	const blame = task.blame[j.k[i]];
	if (blame) lines.push('time went to ' + blame.map(b => run.parts[b[0]] + ' ' + duration(b[1])).join(', '));
	return lines.join('\n');
}

function find(x, y) {
	const row = state.rows.find(r => y >= r.y && y < r.y + r.h), t = at(x);
	if (!row || x < GUTTER || row.kind === 'title') return null;
	if (row.kind === 'task') {
		const j = row.task.jobs, slack = (state.t1 - state.t0) / (width() - GUTTER) * 4;
		let best = -1;
		for (let i = above(j.begin, t + slack) - 1; i >= 0 && j.begin[i] >= t - row.task.longest - slack; i--) {
			if (t <= j.last[i] + slack) { best = i; break; }
		}
		if (best < 0) best = above(j.begin, t) - 1;
		return best < 0 ? null : { run: row.run, task: row.task, k: best, text: describe(row.run, row.task, best) };
	}
	if (row.kind === 'vcpu') {
		const s = row.vcpu.spans, i = above(s.end, t);
		const runs = i < s.n && s.start[i] <= t;
		return { text: row.name + (runs ? ' runs on CPU ' + s.cpu[i] + ' for ' + duration(s.end[i] - s.start[i]) : ' does not run') + '\nat ' + duration(t + row.run.offset) };
	}
	const p = row.server.points, i = above(p.at, t);
	if (!i || i >= p.n) return { text: row.name };
	const share = p.at[i] > p.at[i - 1] ? (t - p.at[i - 1]) / (p.at[i] - p.at[i - 1]) : 1;
	return { text: row.name + ' (' + row.server.policy + '): ' + duration(p.left[i - 1] + (p.left[i] - p.left[i - 1]) * share) + ' left of ' + duration(row.server.budget) + '\nat ' + duration(t + row.run.offset) };
}

function select(what) {
	state.selected = what;
	$('details').textContent = what ? describe(what.run, what.task, what.k) : '';
	redraw();
}

function hover(x, y, clientX, clientY) {
	const found = find(x, y), tip = $('tip');
	tip.hidden = !found;
	if (!found) return;
	tip.textContent = found.text;
	tip.style.left = Math.min(clientX + 14, Math.max(innerWidth - tip.offsetWidth - 8, 0)) + 'px';
	tip.style.top = Math.min(clientY + 16, Math.max(innerHeight - tip.offsetHeight - 8, 0)) + 'px';
}

// ---- what the reader does ----

let drag = null;
canvas.addEventListener('wheel', e => { e.preventDefault(); if (e.shiftKey) pan(e.deltaY / 1000); else zoom(Math.exp(e.deltaY / 400), at(e.offsetX)); }, { passive: false });
canvas.addEventListener('pointerdown', e => { drag = { x: e.offsetX, t0: state.t0, t1: state.t1, moved: false }; try { canvas.setPointerCapture(e.pointerId); } catch (error) { drag.moved = false; } });
canvas.addEventListener('pointermove', e => {
	if (!drag) { hover(e.offsetX, e.offsetY, e.clientX, e.clientY); return; }
	const d = (drag.x - e.offsetX) / (width() - GUTTER - 10) * (drag.t1 - drag.t0);
	drag.moved = drag.moved || Math.abs(drag.x - e.offsetX) > 3;
	$('tip').hidden = true;
	show(drag.t0 + d, drag.t1 + d);
});
canvas.addEventListener('pointerup', e => {
	if (drag && !drag.moved) { const found = find(e.offsetX, e.offsetY); if (found && found.task) select(found); }
	drag = null;
});
canvas.addEventListener('pointerleave', () => { $('tip').hidden = true; });
map.addEventListener('pointerdown', e => {
	const t = (e.offsetX - GUTTER) / (width() - GUTTER - 10) * state.length, half = (state.t1 - state.t0) / 2;
	show(t - half, t + half);
});

const actions = {
	'+': () => zoom(.5), '=': () => zoom(.5), '-': () => zoom(2), '0': () => show(0, state.length),
	ArrowLeft: () => pan(-.25), ArrowRight: () => pan(.25), Home: () => show(0, state.t1 - state.t0), End: () => show(state.length, state.length + state.t1 - state.t0),
	n: () => jump(1), p: () => jump(-1), '/': () => $('text').focus(), d: () => theme(!document.documentElement.classList.contains('dark')),
	Escape: () => { select(null); $('tip').hidden = true; }, '?': () => $('help').showModal(),
};
addEventListener('keydown', e => {
	if (e.ctrlKey || e.metaKey || e.altKey || $('help').open || /^(INPUT|SELECT)$/.test(e.target.tagName)) {
		if (e.key === 'Escape' && e.target.blur) e.target.blur();
		return;
	}
	if (!actions[e.key]) return;
	e.preventDefault();
	actions[e.key]();
});
for (const b of document.querySelectorAll('button[data-key]')) b.addEventListener('click', () => actions[b.dataset.key]());
$('text').addEventListener('input', e => { state.text = e.target.value; layout(); redraw(); });
$('only').addEventListener('change', e => { state.only = e.target.value; redraw(); });
for (const name of ['vcpus', 'servers']) $(name).addEventListener('change', e => { state[name] = e.target.checked; layout(); redraw(); });
addEventListener('resize', redraw);

function theme(dark) {
	document.documentElement.classList.toggle('dark', dark);
	colors();
	draw();
}
const preference = matchMedia('(prefers-color-scheme: dark)');
preference.addEventListener('change', e => theme(e.matches));
let before = false;
addEventListener('beforeprint', () => { before = document.documentElement.classList.contains('dark'); theme(false); });
addEventListener('afterprint', () => theme(before));

layout();
theme(preference.matches);
state.ready = performance.now();
state.took = { parse: parsed - t0, all: state.ready - t0 }; // ms, for those who measure
window.vmrt = { state, show, jump, find, data };
})();
