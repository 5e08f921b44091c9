# Man pages, completion scripts, installation.

MAN_SOURCES := $(wildcard docs/*.scd)
MAN_PAGES := $(patsubst docs/%.scd,$(O)/man/%,$(MAN_SOURCES))

.PHONY: man install uninstall
man: $(MAN_PAGES) ## build the man pages into build/man

$(O)/man/%: docs/%.scd
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scdoc <$< >$@.tmp && mv $@.tmp $@

# vmrt-agent is installed as the static program: that is the one that runs in any guest.
INSTALLED := $(filter-out $(O)/bin/vmrt-agent,$(BINS)) $(O)/static/vmrt-agent
bindir := $(prefix)/bin
systemdunitdir ?= $(prefix)/lib/systemd/system
udevrulesdir ?= $(prefix)/lib/udev/rules.d
completiondir := $(prefix)/share/bash-completion/completions
docdir := $(prefix)/share/doc/vmrt

install: all man ## install programs, man pages, completion, the agent's unit and documents under DESTDIR and prefix
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(completiondir) $(DESTDIR)$(systemdunitdir) \
		$(DESTDIR)$(udevrulesdir) $(DESTDIR)$(docdir)/experiments
	install -m 755 $(INSTALLED) $(DESTDIR)$(bindir)/
	for t in $(TOOLS); do $(O)/bin/$$t --completion bash \
		>$(DESTDIR)$(completiondir)/$$t || exit 1; done
	for m in $(notdir $(MAN_PAGES)); do \
		install -d $(DESTDIR)$(prefix)/share/man/man$${m##*.} && \
		install -m 644 $(O)/man/$$m $(DESTDIR)$(prefix)/share/man/man$${m##*.}/ || exit 1; done
	sed 's|@bindir@|$(bindir)|' docs/systemd/vmrt-agent.service.in >$(DESTDIR)$(systemdunitdir)/vmrt-agent.service
	install -m 644 docs/systemd/70-vmrt-agent.rules $(DESTDIR)$(udevrulesdir)/
	install -m 644 README.md $(wildcard docs/*.md docs/*.svg) $(DESTDIR)$(docdir)/
	install -m 644 $(wildcard experiments/*) $(DESTDIR)$(docdir)/experiments/

uninstall: ## remove what install put there
	for t in $(TOOLS); do rm -f $(DESTDIR)$(bindir)/$$t $(DESTDIR)$(completiondir)/$$t; done
	for m in $(notdir $(MAN_PAGES)); do rm -f $(DESTDIR)$(prefix)/share/man/man$${m##*.}/$$m; done
	rm -f $(DESTDIR)$(systemdunitdir)/vmrt-agent.service $(DESTDIR)$(udevrulesdir)/70-vmrt-agent.rules
	rm -rf $(DESTDIR)$(docdir)

# ---- Debian packages ----

# What git knows, and what it would add: nothing of build/ goes into the package.
.PHONY: deb
deb: ## build the Debian packages vmrt, vmrt-agent and vmrt-doc into build/deb
	$(Q)scripts/setup --package
	$(Q)rm -rf $(O)/deb && mkdir -p $(O)/deb/vmrt
	$(Q)git ls-files --cached --others --exclude-standard | xargs ls -d 2>/dev/null | \
		tar -cf - -T - | tar -xf - -C $(O)/deb/vmrt
	$(Q)cd $(O)/deb/vmrt && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u O DEB_BUILD_OPTIONS="nocheck $(DEB_BUILD_OPTIONS)" \
		dpkg-buildpackage -us -uc -b -d
	$(Q)rm -rf $(O)/deb/vmrt && ls $(O)/deb

.PHONY: check-deb
check-deb: deb ## build the Debian packages, and run lintian over them
	$(Q)lintian --allow-root --tag-display-limit 0 --fail-on error $(O)/deb/*.changes
