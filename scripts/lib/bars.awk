# Draws groups of bars as SVG. Input: tab-separated GROUP LABEL VALUE..., one line for each bar, in order.
# Variables: titles, the words for the values separated by |; note, the line at the bottom.
# One panel for each value; bars of a group stand together. Empty values have no bar. A title that ends with
# "(log)" has a logarithmic scale.
BEGIN {
	FS = "\t"
	panels = split(titles, title, "|")
	width = 190; label = 110; row = 15; top = 34; gap = 10
}
function escape(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); gsub(/>/, "\\&gt;", s); return s }
{
	n++
	group[n] = $1; name[n] = $2
	for (p = 1; p <= panels; p++) {
		value[n, p] = $(p + 2)
		if ($(p + 2) + 0 > most[p]) most[p] = $(p + 2) + 0
		if ($(p + 2) > 0 && (!(p in least) || $(p + 2) + 0 < least[p])) least[p] = $(p + 2) + 0
	}
}
# a round number not below x
function rounded(x, unit) {
	if (x <= 0) return 1
	unit = 10 ^ int(log(x) / log(10) + (x >= 1 ? 0 : -1))
	if (x <= unit) return unit
	if (x <= 2 * unit) return 2 * unit
	if (x <= 5 * unit) return 5 * unit
	return 10 * unit
}
function decade(x) { x = log(x) / log(10); return x == int(x) ? x : x < 0 ? int(x) - 1 : int(x) }
# prepares the scale of a panel: from low to high
function begin_scale(p) {
	is_log = title[p] ~ /\(log\)$/ && (p in least)
	low = is_log ? decade(least[p]) : 0
	high = is_log ? decade(most[p]) + 1 : rounded(most[p])
	steps = is_log ? high - low : 2
}
function place(v) {
	if (is_log) v = v > 0 ? log(v) / log(10) : low
	return (v < low ? 0 : (v - low) / (high - low)) * width
}
END {
	y = top
	for (i = 1; i <= n; i++) {
		if (group[i] != group[i - 1] || i == 1) y += gap + row
		at[i] = y
		y += row
	}
	height = y + 40
	total = label + panels * (width + 55) + 10
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" ", total, height, total, height
	print "font-family=\"sans-serif\" font-size=\"11\">"
	print "<style>text{fill:#222}.g{fill:#666}.b{fill:#3b6ea5}.l{stroke:#ccc}@media(prefers-color-scheme:dark){" \
		"text{fill:#ddd}.g{fill:#999}.b{fill:#7aa9dc}.l{stroke:#444}}</style>"
	for (p = 1; p <= panels; p++) {
		x = label + (p - 1) * (width + 55)
		begin_scale(p)
		printf "<text x=\"%d\" y=\"18\" font-weight=\"bold\">%s</text>\n", x, escape(title[p])
		for (t = 0; t <= steps; t++) {
			printf "<line class=\"l\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x + t * width / steps, x + t * width / steps, top, y
			printf "<text class=\"g\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", x + t * width / steps, top - 3,
				is_log ? 10 ^ (low + t) : t * high / 2
		}
		for (i = 1; i <= n; i++) {
			if (value[i, p] == "") continue
			printf "<rect class=\"b\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", x, at[i] + 2, place(value[i, p]), row - 4
			printf "<text class=\"g\" x=\"%.1f\" y=\"%d\">%.*f</text>\n", x + place(value[i, p]) + 3, at[i] + row - 4, (value[i, p] < 10), value[i, p]
		}
	}
	for (i = 1; i <= n; i++) {
		if (i == 1 || group[i] != group[i - 1])
			printf "<text x=\"4\" y=\"%d\" font-weight=\"bold\">%s</text>\n", at[i] - 4, escape(group[i] == "-" ? "no server" : group[i])
		printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", label - 6, at[i] + row - 4, escape(name[i])
	}
	printf "<text class=\"g\" x=\"4\" y=\"%d\">%s</text>\n</svg>\n", height - 12, escape(note)
}
