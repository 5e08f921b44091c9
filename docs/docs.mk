# Man pages, completion scripts, installation.

MAN_SOURCES := $(wildcard docs/*.scd)
MAN_PAGES := $(patsubst docs/%.scd,$(O)/man/%,$(MAN_SOURCES))

.PHONY: man install uninstall
man: $(MAN_PAGES) ## build the man pages into build/man

$(O)/man/%: docs/%.scd
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scdoc <$< >$@.tmp && mv $@.tmp $@

install: all man ## install programs, man pages and bash completion under DESTDIR and prefix
	install -d $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/share/bash-completion/completions
	install -m 755 $(BINS) $(DESTDIR)$(prefix)/bin/
	for t in $(TOOLS); do $(O)/bin/$$t --completion bash \
		>$(DESTDIR)$(prefix)/share/bash-completion/completions/$$t || exit 1; done
	for m in $(notdir $(MAN_PAGES)); do \
		install -d $(DESTDIR)$(prefix)/share/man/man$${m##*.} && \
		install -m 644 $(O)/man/$$m $(DESTDIR)$(prefix)/share/man/man$${m##*.}/ || exit 1; done

uninstall: ## remove what install put there
	for t in $(TOOLS); do rm -f $(DESTDIR)$(prefix)/bin/$$t \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/$$t; done
	for m in $(notdir $(MAN_PAGES)); do rm -f $(DESTDIR)$(prefix)/share/man/man$${m##*.}/$$m; done
