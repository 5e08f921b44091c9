/* SPDX-License-Identifier: MIT */
/* The only file that uses ncurses: draws pieces of text, finds the names of keys, restores the
 * terminal. */
#include "screen.h"

#include <curses.h>
#include <panel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <term.h>
#include <unistd.h>

#include <vmrt/files.h>

#define TALK_MAX 65536 /* bytes of stderr that are kept */

#define WHEEL_LINES 3
#define PLAIN_COLORS 8 /* a terminal with no more than these */

static SCREEN *terminal;
static PANEL *front; /* the box in front of the page; or NULL */
static bool colors;
static struct top_theme current_theme;
static int tabs_y, tabs[16];
static int wheel; /* lines by which the wheel still has to move; negative: up */
static int true_stderr = -1, kept_stderr = -1;

/* Restores the terminal at a crash; otherwise the terminal would not show what the user types. */
static void on_crash(int sig)
{
	endwin();
	if (true_stderr >= 0)
		dup2(true_stderr, STDERR_FILENO);
	raise(sig);
}

static void catch_crashes(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct sigaction act = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
}

/* Sends stderr to a file in memory until the screen is closed, because messages would disturb the
 * screen. */
static void keep_stderr(void)
{
	kept_stderr = memfd_create("vmrt-top", MFD_CLOEXEC);
	true_stderr = dup(STDERR_FILENO);
	if (kept_stderr < 0 || true_stderr < 0)
		return;
	fflush(stderr);
	dup2(kept_stderr, STDERR_FILENO);
}

static void restore_stderr(void)
{
	static char talk[TALK_MAX];
	ssize_t n;

	if (kept_stderr < 0 || true_stderr < 0)
		return;
	fflush(stderr);
	dup2(true_stderr, STDERR_FILENO);
	n = pread(kept_stderr, talk, sizeof(talk), 0);
	if (n > 0)
		(void)vmrt_write_all(STDERR_FILENO, talk, (size_t)n);
	close(kept_stderr);
	close(true_stderr);
	kept_stderr = true_stderr = -1;
}

/* Replaces one of 256 colours by one of 8, for terminals with only 8 colours: the nearest corner of
 * the colour cube. */
static short plain_color(short color)
{
	int r, g, b;

	if (color < PLAIN_COLORS)
		return color;
	if (color < 16)
		return (short)(color - 8);
	if (color >= 232)
		return color >= 244 ? COLOR_WHITE : COLOR_BLACK;
	r = (color - 16) / 36;
	g = (color - 16) / 6 % 6;
	b = (color - 16) % 6;
	/* with this limit orange, which has little green, becomes yellow and not red */
	return (short)((r > 2 ? 1 : 0) | (g > 1 ? 2 : 0) | (b > 2 ? 4 : 0));
}

/* Gives each style its own pair of colours. */
static void set_colors(const struct top_theme *theme)
{
	colors = has_colors() && start_color() == OK;
	if (!colors)
		return;
	use_default_colors();
	for (int i = 0; i < TOP_ATTRS; i++) {
		const struct top_style *style = &theme->styles[i];
		short fg = style->foreground, bg = style->background;

		if (COLORS < 256) {
			fg = plain_color(fg);
			bg = plain_color(bg);
		}
		init_pair((short)(i + 1), fg, bg);
	}
}

enum vmrt_status top_terminal_open(
	const struct top_theme *theme, bool mouse, struct vmrt_error *err)
{
	const char *type = getenv("TERM");

	if (!type || !*type)
		return vmrt_fail(err, VMRT_EUNSUPPORTED, "TERM is not set: set it, or use --batch");
	terminal = newterm(type, stdout, stdin);
	if (!terminal)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"the terminal type TERM=%s is not known here: set another one, or use "
			"--batch",
			type);
	set_term(terminal);
	if (!tigetstr("cup")) {
		endwin();
		delscreen(terminal);
		terminal = NULL;
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"the terminal (TERM=%s) cannot move its cursor: set another type, or use "
			"--batch",
			type);
	}
	atexit(top_terminal_close);
	catch_crashes();
	keep_stderr();
	if (theme)
		current_theme = *theme;
	else
		top_theme_default(&current_theme);
	if (theme)
		set_colors(theme);
	set_escdelay(25);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	if (mouse) {
		mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
		mouseinterval(0);
	}
	return VMRT_OK;
}

void top_terminal_size(int *width, int *height)
{
	getmaxyx(stdscr, *height, *width);
}

static attr_t attributes(const struct top_style *style, bool reverse)
{
	attr_t a = A_NORMAL;

	if (style->bold)
		a |= A_BOLD;
	if (style->dim)
		a |= A_DIM;
	if (style->italic)
		a |= A_ITALIC;
	if (style->underline)
		a |= A_UNDERLINE;
	if (style->reverse != reverse)
		a |= A_REVERSE;
	return a;
}

static void set_style(WINDOW *window, enum top_attr attr, bool reverse)
{
	wattr_set(window, attributes(&current_theme.styles[attr], reverse),
		colors ? (short)(attr + 1) : 0, NULL);
}

static void put_spans(WINDOW *window, const struct top_screen *screen, int y, int x)
{
	for (size_t i = 0; i < screen->n; i++) {
		const struct top_span *s = &screen->spans[i];

		set_style(window, s->attr, s->reverse);
		mvwaddstr(window, y + s->y, x + s->x, s->text);
	}
	wattr_set(window, A_NORMAL, 0, NULL);
}

static void drop_front(void)
{
	WINDOW *window = front ? panel_window(front) : NULL;

	if (!front)
		return;
	del_panel(front);
	delwin(window);
	front = NULL;
}

/* Draws the box in front as a panel, so that ncurses restores what the box hides. */
static void draw_front(const struct top_screen *screen)
{
	const struct top_screen *inside = screen->front;
	int height = inside->height + 2, width = inside->width + 2;
	WINDOW *window;

	if (!front || getmaxy(panel_window(front)) != height ||
		getmaxx(panel_window(front)) != width) {
		drop_front();
		window = newwin(height, width, screen->front_y, screen->front_x);
		front = window ? new_panel(window) : NULL;
		if (!front) {
			if (window)
				delwin(window);
			return;
		}
	}
	window = panel_window(front);
	move_panel(front, screen->front_y, screen->front_x);
	werase(window);
	set_style(window, TOP_DIM, false);
	if (screen->ascii)
		wborder(window, '|', '|', '-', '-', '+', '+', '+', '+');
	else
		wborder(window, 0, 0, 0, 0, 0, 0, 0, 0);
	put_spans(window, inside, 1, 1);
	show_panel(front);
}

void top_terminal_draw(const struct top_screen *screen, bool all)
{
	if (all)
		clear();
	else
		erase();
	put_spans(stdscr, screen, 0, 0);
	if (screen->has_front)
		draw_front(screen);
	else if (front)
		hide_panel(front);
	/* if there is no panel, update_panels() does not refresh the screen behind panels */
	wnoutrefresh(stdscr);
	update_panels();
	doupdate();
	tabs_y = screen->tabs_y;
	memcpy(tabs, screen->tabs, sizeof(tabs));
}

/* The wheel moves the cursor; a click on the name of a page opens this page. */
static const char *word_for_mouse(char *buf)
{
	MEVENT event;

	buf[0] = buf[1] = '\0';
	if (getmouse(&event) != OK)
		return buf;
	if (event.bstate & BUTTON4_PRESSED)
		wheel = -WHEEL_LINES;
	else if (event.bstate & BUTTON5_PRESSED)
		wheel = WHEEL_LINES;
	else if (event.y == tabs_y)
		for (int i = 0; i < 6; i++)
			if (event.x >= tabs[i])
				buf[0] = (char)('1' + i);
	return buf;
}

/* Finds the name that the table of keys has for an ncurses key number. */
static const char *word_for_key(int key, char *buf)
{
	static const struct {
		int key;
		const char *word;
	} words[] = {{' ', "Space"}, {'\t', "Tab"}, {KEY_BTAB, "S-Tab"}, {'\r', "Enter"},
		{'\n', "Enter"}, {KEY_ENTER, "Enter"}, {27, "Esc"}, {12, "^L"},
		{KEY_BACKSPACE, "Backspace"}, {127, "Backspace"}, {8, "Backspace"}, {KEY_UP, "Up"},
		{KEY_DOWN, "Down"}, {KEY_LEFT, "Left"}, {KEY_RIGHT, "Right"}, {KEY_PPAGE, "PgUp"},
		{KEY_NPAGE, "PgDn"}, {KEY_HOME, "Home"}, {KEY_END, "End"}, {KEY_F(1), "F1"},
		{KEY_F(2), "F2"}, {KEY_F(3), "F3"}, {KEY_F(4), "F4"}, {KEY_F(6), "F6"},
		{KEY_F(10), "F10"}};

	if (key == KEY_MOUSE)
		return word_for_mouse(buf);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].key == key)
			return words[i].word;
	buf[0] = key > ' ' && key <= '~' ? (char)key : '\0';
	buf[1] = '\0';
	return buf;
}

const char *top_terminal_key(void)
{
	static char buf[2];
	int key;

	if (wheel) {
		bool up = wheel < 0;

		wheel += up ? 1 : -1;
		return up ? "Up" : "Down";
	}
	key = getch();
	return key == ERR ? NULL : word_for_key(key, buf);
}

void top_terminal_beep(void)
{
	beep();
}

void top_terminal_close(void)
{
	if (!terminal)
		return;
	endwin();
	drop_front();
	delscreen(terminal);
	terminal = NULL;
	restore_stderr();
}
