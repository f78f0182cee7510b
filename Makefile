# Skate: tasks, objects and wait in C, and the tools around them.
#
#   make                      build everything into build/ (gcc; CC=clang for the other)
#   make demo                 run the lessons, the Gantt of some of them too (under a minute); the tree reduction in a window, or as a film
#   make pictures             the pictures of the lessons' pages: lessons/NN-name/picture.svg
#   make check                run the tests; the last line is the count (SUITES="unit conform": some; CHECK_JOBS=1: one at a time;
#                             ALL=1: also those that take longest, as .ci/run does)
#   make sim-faults SEEDS=n   run n (10000) random programs under random faults, in virtual time
#   make chaos KILLS=n        kill n (500) worker processes at random while they work, then 100 programs;
#                             once more with a store that is far too small; then, on tcp, NODE_KILLS=n (50) nodes
#                             killed, FREEZES=n (20) frozen, FAULTS=n (50) of their connections
#   make fuzz SECONDS=n       feed the readers of what comes over the wire, and of logs, with made-up bytes, n (60) seconds each: tests/fuzz/ (clang)
#   make fuzz-coverage        which of their lines the corpora reach (gcc)
#   make bench                run the benchmarks: ROWS="tree_dag chain" picks some, BACKENDS="threads processes" where,
#                             PEERS=DIR runs other runtimes beside it, JSON=FILE keeps the figures (nodes on tcp: ROWS="_tcp pull fan_out")
#   make sim-model            compare makespans of the virtual backend with SimGrid's, if it is installed
#   make lessons              build the lessons only: build/lessons/NN-name
#   make install PREFIX=DIR   install below DIR (default /usr/local; DESTDIR=DIR stages a package)
#   make deps                 install the Debian packages that are missing
#   make format               clang-format the files changed since the last commit (or FILES="...")
#   make clean                remove build/
#   make help                 this text
#
#   SAN=address,undefined     build and test with sanitizers, in build/$(SAN)/ (or SAN=thread)
#   V=1                       show whole commands
#   CFLAGS= LDFLAGS=          extra flags; everything is rebuilt when they change
#
# What is built:
#   sim/ backends/            build/lib/libskate.a libskate.so, build/lib/pkgconfig/skate.pc
#   backends/tool/            build/bin/skate, build/libexec/skate/skate-run, skate-cluster, skate-ps ...
#   viz/                      build/libexec/skate/skate-trace (viz/main.c), skate-view (viz/view_main.c)
#   lessons/tool/             build/libexec/skate/skate-lessons
#   lessons/NN-name/          build/lessons/NN-name
#   tests/conform/            build/libexec/skate/skate-conform
#   tests/unit/ property/ faults/  build/tests/unit, property, sim-faults (tests/*.c is linked into all of these)
#   tests/chaos/              build/tests/chaos
#   tests/proxy/              build/tests/proxy, and linked into build/tests/unit
#   tests/net/                build/tests/line, run by tests/net/run, build/tests/pulls by tests/net/pulls; nodes: a head and nodes, each a host (namespaces is for tests to source)
#   tests/window/             build/tests/window, run by tests/window/run
#   tests/nth/                build/tests/nth, run by tests/nth/run
#   tests/view/               build/tests/view, build/tests/sum, run by tests/view/run
#   tests/digest/             build/tests/many_things; build/digest/: the library by other compilers
#   tests/ps/                 built and run by tests/ps/run
#   tests/fuzz/               build/tests/fuzz/NAME, which replays tests/fuzz/corpus/NAME/; build/fuzzer-no-link,.../: what libFuzzer runs
#   tests/divert/             built and run by tests/divert/run
#   tests/bench/              build/bench/, by tests/bench/build (for tests/bench/run and check)
#   tests/simgrid/            built and run by tests/simgrid/run
#   tests/tool/               built and run by tests/tool/run
# New files in these folders are found by themselves; a new lesson is a new folder.

VERSION := 0.1.0
SONAME  := libskate.so.0
PREFIX  ?= /usr/local
override PREFIX := $(abspath $(PREFIX))

ifeq ($(origin CC),default)
CC := $(or $(shell command -v gcc 2>/dev/null >&2 && echo gcc),cc)
endif
PKG_CONFIG ?= pkg-config
SAN ?=
B := build$(if $(SAN),/$(SAN))
Q := $(if $(V),,@)
MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(or $(shell nproc 2>/dev/null),2)
endif
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all lib lessons demo pictures check sim-faults chaos fuzz fuzz-coverage fuzz-targets bench sim-model install deps format clean help FORCE
all:

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//; p' $(firstword $(MAKEFILE_LIST))

clean:
	$(Q)rm -rf build

# ---- Packages: what is missing, and how to get it ------------------------------------------------

have    = $(shell $(PKG_CONFIG) --exists $(1) >/dev/null 2>&1 && echo yes)
program = $(shell command -v $(1) >/dev/null 2>&1 && echo yes)

no_compiler = $(if $(filter command%,$(origin CC)),$(error CC=$(CC): there is no such compiler),gcc libc6-dev)
NEED_BUILD := $(strip $(if $(call program,$(firstword $(CC))),,$(no_compiler)) \
    $(if $(call program,$(PKG_CONFIG)),,pkg-config) \
    $(if $(call have,glib-2.0 gmodule-2.0),,libglib2.0-dev) \
    $(if $(call have,'gnutls >= 3.6.13'),,libgnutls28-dev))
NEED_TESTS := $(if $(call have,check),,check)
# Without these `skate view` is left out. The fonts are for the eye: DejaVu for text, another for Chinese.
VIEW_PACKAGES := cairo pangocairo
WINDOW_PACKAGES := sdl2 SDL2_ttf fontconfig
# giflib itself has no file for pkg-config; Debian's has.
have_gif   := $(or $(call have,libgif),$(shell echo '\#include <gif_lib.h>' | $(CC) -include stdio.h -E - >/dev/null 2>&1 && echo yes))
NEED_VIEW  := $(if $(and $(call have,$(VIEW_PACKAGES) $(WINDOW_PACKAGES)),$(have_gif)),,libcairo2-dev libpango1.0-dev libgif-dev libsdl2-dev libsdl2-ttf-dev \
    libfontconfig-dev fonts-dejavu-core fonts-wqy-microhei)
# Without it some tests are skipped, so `make check` gets it when it gets something, and does not insist.
NEED_HOSTS := $(if $(call program,ip),,iproute2) $(if $(call program,Xvfb),,xvfb) $(if $(call program,xdotool),,xdotool)
# Looked up only when it is asked for: `make fuzz`, or the `make deps` that it starts
GOALS := $(or $(MAKECMDGOALS),all)
FUZZ_CC := clang
FUZZ_MAJOR = $(or $(firstword $(subst ., ,$(shell $(FUZZ_CC) -dumpversion 2>/dev/null))),14)
NEED_FUZZ := $(if $(filter fuzz,$(GOALS) $(DEPS_FOR)),$(if $(call program,$(FUZZ_CC)),,clang) \
    $(if $(wildcard $(shell $(FUZZ_CC) -print-runtime-dir 2>/dev/null)/libclang_rt.fuzzer*),,libclang-rt-$(FUZZ_MAJOR)-dev))
MISSING    := $(strip $(NEED_BUILD) $(NEED_TESTS) $(NEED_VIEW) $(NEED_HOSTS) $(NEED_FUZZ))

deps:
ifeq ($(MISSING),)
	@echo "deps: nothing is missing"
else
	@if command -v apt-get >/dev/null 2>&1; then                                                    \
	    sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo;                                                    \
	    echo "deps: installing with apt-get: $(MISSING)";                                           \
	    $$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive                       \
	        apt-get install -y -q $(MISSING);                                                       \
	else                                                                                            \
	    echo "deps: no apt-get here, and $(MISSING) (Debian's names) is missing; install with one of"; \
	    echo "  sudo dnf install gcc make pkgconf-pkg-config glib2-devel gnutls-devel check-devel cairo-devel pango-devel giflib-devel SDL2-devel SDL2_ttf-devel fontconfig-devel xorg-x11-server-Xvfb xdotool dejavu-sans-fonts wqy-microhei-fonts iproute$(if $(NEED_FUZZ), clang compiler-rt)"; \
	    echo "  sudo pacman -S gcc make pkgconf glib2 gnutls check cairo pango giflib sdl2 sdl2_ttf fontconfig xorg-server-xvfb xdotool ttf-dejavu wqy-microhei iproute2$(if $(NEED_FUZZ), clang compiler-rt)"; \
	    echo "  brew install gcc make pkg-config glib gnutls check cairo pango giflib sdl2 sdl2_ttf fontconfig font-dejavu$(if $(NEED_FUZZ), llvm)";        \
	    exit 1;                                                                                     \
	fi
endif

MISSING_NOW := $(if $(filter-out help clean deps format,$(GOALS)),$(NEED_BUILD) $(NEED_FUZZ) \
    $(if $(filter check,$(GOALS)),$(NEED_TESTS)) $(if $(filter check demo,$(GOALS)),$(NEED_VIEW)))
ifneq ($(strip $(MISSING_NOW)),)
ifneq ($(if $(DEPS_DONE),,$(filter demo check fuzz,$(GOALS))),)

# `make demo`, `make check` and `make fuzz` get what is missing, then start again with it.
.NOTPARALLEL:
$(filter-out deps,$(GOALS)):
	@$(MAKE) deps DEPS_FOR='$(GOALS)'
	@$(MAKE) $@ DEPS_DONE=1

else
$(error $(strip $(MISSING_NOW)) is missing (Debian's name): run `make deps$(if $(strip $(NEED_FUZZ)), DEPS_FOR=fuzz)`, which installs it or says how)
endif
else

# ---- Flags ---------------------------------------------------------------------------------------
# Objects serve both libskate.a and libskate.so, hence -fPIC; the library is there when a program
# starts, never loaded later, hence the fast kind of thread-local variables.

# glib's headers are not ours to warn about. Of GnuTLS only the headers are used here: it is loaded when it is needed (backends/gnutls_late.h).
GLIB_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags glib-2.0 gmodule-2.0 gnutls 2>/dev/null))
GLIB_LIBS   := $(shell $(PKG_CONFIG) --libs glib-2.0 gmodule-2.0 2>/dev/null)
# of the same package; the library itself has no use for it
GIO_CFLAGS  := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags gio-2.0 2>/dev/null))
GIO_LIBS    := $(shell $(PKG_CONFIG) --libs gio-2.0 2>/dev/null)
# The programs of viz/ take from its library what they call: skate-trace none of these, and only skate-view has a window
VIEW_CFLAGS := $(if $(NEED_VIEW),,$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(VIEW_PACKAGES) $(WINDOW_PACKAGES) 2>/dev/null)))
VIEW_LIBS   := $(if $(NEED_VIEW),,$(shell $(PKG_CONFIG) --libs $(VIEW_PACKAGES) 2>/dev/null) -lgif)
WINDOW_LIBS := $(if $(NEED_VIEW),,$(shell $(PKG_CONFIG) --libs $(WINDOW_PACKAGES) 2>/dev/null))
CHECK_CFLAGS := $(if $(NEED_TESTS),,$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags check)))
CHECK_LIBS   := $(if $(NEED_TESTS),,$(shell $(PKG_CONFIG) --libs check))

BASE_CFLAGS := -std=gnu11 -Wall -Wextra $(if $(SAN),-O1,-O2) -g -pthread -fPIC \
    -ftls-model=initial-exec -fno-semantic-interposition \
    $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
BASE_LDFLAGS := -pthread $(if $(SAN),-fsanitize=$(SAN))
COMPILE = $(CC) $(BASE_CFLAGS) -Isim $(PART_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
LINK    = $(CC) $(BASE_LDFLAGS) $(LDFLAGS)

# Programs carry all of the library inside and show it to modules (-rdynamic): they need no path to
# it, and a backend loaded from ./mine.so finds the core in the program.
LIBS := -rdynamic -Wl,--whole-archive $(B)/lib/libskate.a -Wl,--no-whole-archive $(GLIB_LIBS) -lm

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

# These two change only when what they hold changes; what was made with other flags, or of other
# files, is made anew.
PREFETCHW := $(if $(filter x86_64-%,$(shell $(CC) $(CFLAGS) -dumpmachine)),-mprfchw)
FLAGS := $(CC) $(shell $(CC) -dumpfullversion 2>/dev/null || $(CC) -dumpversion) $(BASE_CFLAGS) $(CFLAGS) $(PREFETCHW) \
    $(GLIB_CFLAGS) $(CHECK_CFLAGS) $(BASE_LDFLAGS) $(LDFLAGS) $(GLIB_LIBS) $(CHECK_LIBS)
$(B)/.flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
$(B)/.files: FORCE
	@mkdir -p $(@D); echo '$(SOURCES)' | cmp -s - $@ || echo '$(SOURCES)' >$@

$(B)/obj/%.o: %.c $(B)/.flags
	@mkdir -p $(@D)
	@$(if $(V),,echo "  CC      $<")
	$(Q)$(COMPILE)

# ---- The library ---------------------------------------------------------------------------------

LIB_SRC := $(wildcard sim/*.c backends/*.c)
LIB_OBJ := $(call objects,$(LIB_SRC))
LIB     := $(B)/lib/libskate.a $(B)/lib/libskate.so $(B)/lib/pkgconfig/skate.pc

# A task is a thousand instructions of ours: -O3 takes a tenth off. And a record that another core has written is fetched for writing: x86 has an
# instruction for that (older processors skip it), which compilers use when told to; without, each record crosses twice.
$(LIB_OBJ): PART_CFLAGS = $(GLIB_CFLAGS) $(if $(SAN),,-O3) $(PREFETCHW)

$(B)/lib/libskate.a: $(LIB_OBJ) $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  AR      $@")
	$(Q)rm -f $@ && ar rcs $@ $(LIB_OBJ)

$(B)/lib/libskate.so: $(LIB_OBJ) $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -shared $(if $(SAN),,-Wl,-z,defs) -Wl,-soname,$(SONAME) -o $(B)/lib/$(SONAME) \
	    $(LIB_OBJ) $(GLIB_LIBS) -lm
	$(Q)ln -sf $(SONAME) $@

# $(call pc,prefix,includedir,libdir). Programs find the library where it lies, unless the system
# looks there anyway.
define pc
prefix=$(1)
includedir=$(2)
libdir=$(3)

Name: skate
Description: Tasks, objects and wait: Ray's programming model in C
Version: $(VERSION)
Requires.private: glib-2.0 gmodule-2.0
Cflags: -I$${includedir} -pthread
Libs: -L$${libdir}$(if $(filter /usr,$(1)),, -Wl$(comma)-rpath$(comma)$${libdir}) -lskate -pthread
Libs.private: -lm
endef
comma := ,

# For programs built against the tree without installing: PKG_CONFIG_PATH=$PWD/build/lib/pkgconfig
TREE_PC := $(call pc,$(CURDIR),$(CURDIR)/sim,$(CURDIR)/$(B)/lib)
INSTALLED_PC := $(call pc,$(PREFIX),$${prefix}/include,$${prefix}/lib)
export TREE_PC INSTALLED_PC
$(B)/lib/pkgconfig/skate.pc: Makefile
	@mkdir -p $(@D)
	@$(if $(V),,echo "  GEN     $@")
	$(Q)printf '%s\n' "$$TREE_PC" >$@

# ---- The programs --------------------------------------------------------------------------------

# All but the dispatcher link all of the library.
LIBEXEC := $(B)/libexec/skate
VIZ_SRC     := $(filter-out $(if $(NEED_VIEW),viz/view_main.c viz/paint_cairo.c viz/paint_gif.c viz/window_sdl.c),$(wildcard viz/*.c))
VIZ_MAIN    := viz/main.c viz/view_main.c
TOOL_SRC    := $(wildcard backends/tool/*.c)
LESSONS_SRC := $(wildcard lessons/tool/*.c)
CONFORM_SRC := $(wildcard tests/conform/*.c)
SUPPORT_SRC := $(wildcard tests/*.c)
UNIT_SRC    := $(wildcard tests/unit/*.c)
PROPERTY_SRC := $(wildcard tests/property/*.c)
DIGEST_SRC  := $(wildcard tests/digest/*.c)
FAULTS_SRC   := $(wildcard tests/faults/*.c)
CHAOS_SRC    := $(wildcard tests/chaos/*.c)
PROXY_SRC    := $(wildcard tests/proxy/*.c)
PROXY_LIB_SRC := $(filter-out %/main.c,$(PROXY_SRC))
NTH_SRC      := tests/nth/program.c
VIEW_TEST_SRC := $(wildcard tests/view/*.c)
VIEW_CASES   := $(filter-out tests/view/sum.c,$(VIEW_TEST_SRC))
WINDOW_SRC   := $(if $(NEED_VIEW)$(NEED_TESTS),,$(wildcard tests/window/*.c))
NET_SRC      := tests/net/line.c tests/net/pulls.c
FUZZ_SRC     := $(wildcard tests/fuzz/*.c)
LIVE_SRC     := $(wildcard tests/live/*.c)
LESSON_DIRS := $(patsubst %/,%,$(sort $(dir $(wildcard lessons/[0-9]*/*.c))))
LESSON_SRC  := $(foreach d,$(LESSON_DIRS),$(wildcard $(d)/*.c))

SOURCES := $(LIB_SRC) $(VIZ_SRC) $(TOOL_SRC) $(LESSONS_SRC) $(CONFORM_SRC) $(SUPPORT_SRC) $(UNIT_SRC) \
    $(PROPERTY_SRC) $(FAULTS_SRC) $(CHAOS_SRC) $(PROXY_SRC) $(NET_SRC) $(NTH_SRC) $(WINDOW_SRC) $(VIEW_TEST_SRC) $(FUZZ_SRC) $(DIGEST_SRC) $(LIVE_SRC) $(LESSON_SRC)

RELAY_SRC := $(wildcard backends/tool/relay_*.c)       # parts of skate-relay
TOOLS := $(patsubst backends/tool/%.c,$(LIBEXEC)/skate-%,$(filter-out %/skate.c $(RELAY_SRC),$(TOOL_SRC)))
VIEW := $(if $(NEED_VIEW),,$(LIBEXEC)/skate-view)
PROGRAMS := $(B)/bin/skate $(TOOLS) $(if $(VIZ_SRC),$(LIBEXEC)/skate-trace) $(VIEW) \
    $(if $(LESSONS_SRC),$(LIBEXEC)/skate-lessons)
CONFORM := $(if $(CONFORM_SRC),$(if $(NEED_TESTS),,$(LIBEXEC)/skate-conform))
LESSONS := $(patsubst lessons/%,$(B)/lessons/%,$(LESSON_DIRS))

$(call objects,$(TOOL_SRC) $(LESSONS_SRC)): PART_CFLAGS = -I. $(GLIB_CFLAGS) -DSKATE_VERSION='"$(VERSION)"'
$(call objects,$(VIZ_SRC)): PART_CFLAGS = -I. $(GLIB_CFLAGS) $(VIEW_CFLAGS)
# as a careful student compiles
$(call objects,$(LESSON_SRC)): PART_CFLAGS = -Wconversion

$(B)/bin/skate: $(B)/obj/backends/tool/skate.o
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $< $(GLIB_LIBS)

$(TOOLS): $(LIBEXEC)/skate-%: $(B)/obj/backends/tool/%.o
$(LIBEXEC)/skate-relay: $(call objects,$(RELAY_SRC))
$(LIBEXEC)/skate-lessons: $(call objects,$(LESSONS_SRC))
# viz/ as a library, of which its programs and the tests take what they call
$(B)/obj/libviz.a: $(call objects,$(filter-out $(VIZ_MAIN),$(VIZ_SRC))) $(B)/.files
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(LIBEXEC)/skate-trace:   $(B)/obj/viz/main.o $(B)/obj/libviz.a
$(LIBEXEC)/skate-view:    $(B)/obj/viz/view_main.o $(B)/obj/libviz.a
$(LIBEXEC)/skate-view:    PART_LIBS = $(VIEW_LIBS) $(WINDOW_LIBS)
$(LIBEXEC)/skate-conform: $(call objects,$(CONFORM_SRC) $(SUPPORT_SRC))
$(TOOLS) $(LIBEXEC)/skate-lessons $(LIBEXEC)/skate-trace $(LIBEXEC)/skate-view: $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o %/libviz.a,$^) $(LIBS) $(PART_LIBS)

define lesson
$(B)/lessons/$(1): $(call objects,$(wildcard lessons/$(1)/*.c))
endef
$(foreach d,$(LESSON_DIRS),$(eval $(call lesson,$(notdir $(d)))))
$(LESSONS): $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(LIBS)

lib: $(LIB)
lessons: $(LIB) $(LESSONS)
all: $(LIB) $(PROGRAMS) $(CONFORM) $(LESSONS)
	$(if $(NEED_VIEW),@echo "skate view is left out: it needs Cairo and Pango and giflib and SDL2; run \`make deps\` (Debian: apt-get install $(NEED_VIEW))")
	$(if $(NEED_TESTS),@echo "skate conform is left out: it needs Check; run \`make deps\` (Debian: apt-get install check)")

# Each lesson as a student would run it; where the picture is the point, with the Gantt.
demo: all
	@for lesson in $(notdir $(LESSONS)); do                                             \
	    case $$lesson in                                                                \
	        03-*|06-*|07-*) options="--backend threads --gantt";;                       \
	        08-*) options="--backend processes";;                                           \
	        20-*) options="--backend virtual --cluster lessons/$$lesson/cluster.conf --gantt";; \
	        *) options="--backend threads";;                                            \
	    esac;                                                                           \
	    printf '\n---- %s ----\n' "skate run $$options $(B)/lessons/$$lesson";          \
	    $(B)/bin/skate run $$options $(B)/lessons/$$lesson || exit 1;                   \
	done
ifeq ($(NEED_VIEW),)
	@printf '\n---- %s ----\n' "skate view $(B)/demo.sktrace --view reduce"
	@$(B)/bin/skate run --workers 4 --trace $(B)/demo.sktrace $(B)/lessons/06-tree-reduction >/dev/null
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then                                                    \
	    setsid -f $(B)/bin/skate view $(B)/demo.sktrace --view reduce && echo 'The window shows the tree reduction; ? lists its keys.'; \
	else                                                                                             \
	    $(B)/bin/skate view $(B)/demo.sktrace --gif $(B)/demo.gif --view reduce &&                   \
	    $(B)/bin/skate view $(B)/demo.sktrace --storyboard $(B)/demo.png --view reduce &&            \
	    echo 'There is no display: a film of the tree reduction is in $(CURDIR)/$(B)/demo.gif, its moments are in $(CURDIR)/$(B)/demo.png.'; \
	fi
endif

pictures: all
	@lessons/pictures $(B)

# ---- Tests ---------------------------------------------------------------------------------------

TESTS := $(if $(UNIT_SRC),$(B)/tests/unit) $(if $(PROPERTY_SRC),$(B)/tests/property) $(B)/tests/sim-faults $(B)/tests/live
TEST_OBJ := $(call objects,$(CONFORM_SRC) $(SUPPORT_SRC) $(UNIT_SRC) $(PROPERTY_SRC) $(FAULTS_SRC) $(FUZZ_SRC) $(CHAOS_SRC) $(LIVE_SRC))
$(TEST_OBJ): PART_CFLAGS = -I. -Itests $(GLIB_CFLAGS) $(CHECK_CFLAGS)

$(call objects,$(PROXY_SRC)): PART_CFLAGS = -Itests $(GIO_CFLAGS)
$(B)/tests/proxy: $(call objects,$(PROXY_SRC)) $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(GIO_LIBS)

$(B)/tests/unit:     $(call objects,$(UNIT_SRC) $(SUPPORT_SRC) $(PROXY_LIB_SRC))
$(B)/tests/unit:     TEST_LIBS = $(GIO_LIBS)
ifneq ($(SAN),)   # LeakSanitizer dies now and then where a library with thread-local data was loaded late (gnutls_late.h): here it is there from the start
$(B)/tests/unit:     TEST_LIBS = $(GIO_LIBS) -Wl,--no-as-needed -lgnutls -Wl,--as-needed
endif
$(B)/tests/property: $(call objects,$(PROPERTY_SRC) $(SUPPORT_SRC))
$(B)/tests/sim-faults: $(call objects,$(FAULTS_SRC) $(SUPPORT_SRC))
$(B)/tests/live:       $(call objects,$(LIVE_SRC))
$(TESTS) $(LIBEXEC)/skate-conform: $(B)/obj/libviz.a $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(B)/obj/libviz.a $(LIBS) $(TEST_LIBS) $(CHECK_LIBS)

# Of the viewer: its own tests, and a program to make pictures of
VIEW_TESTS := $(if $(NEED_TESTS)$(NEED_VIEW),,$(B)/tests/view $(B)/tests/sum)
$(call objects,$(VIEW_CASES)): PART_CFLAGS = -I. -Itests $(GLIB_CFLAGS) $(CHECK_CFLAGS) $(VIEW_CFLAGS)
$(call objects,tests/view/sum.c): PART_CFLAGS = -Wconversion
$(B)/tests/view: $(call objects,$(VIEW_CASES)) $(B)/obj/libviz.a
$(B)/tests/view: TEST_LIBS = $(VIEW_LIBS) $(CHECK_LIBS)
$(B)/tests/sum:  $(call objects,tests/view/sum.c)
$(VIEW_TESTS): $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o %/libviz.a,$^) $(LIBS) $(TEST_LIBS)

# A program like a student's
$(call objects,$(DIGEST_SRC)): PART_CFLAGS = -Wconversion
$(B)/tests/many_things: $(call objects,$(DIGEST_SRC))
$(B)/tests/pulls: $(B)/obj/tests/net/pulls.o
$(B)/tests/many_things $(B)/tests/pulls: $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(LIBS)

# Without SDL: what the tests drive knows nothing of it
WINDOW_TEST := $(if $(WINDOW_SRC),$(B)/tests/window)
$(call objects,$(WINDOW_SRC)): PART_CFLAGS = -I. -Iviz -Itests $(GLIB_CFLAGS) $(CHECK_CFLAGS)
$(B)/tests/window: $(call objects,$(WINDOW_SRC)) $(B)/obj/libviz.a $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(B)/obj/libviz.a $(LIBS) $(VIEW_LIBS) $(CHECK_LIBS)

$(B)/tests/line: $(B)/obj/tests/net/line.o $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o,$^)

$(B)/tests/chaos: $(call objects,$(CHAOS_SRC) $(PROXY_LIB_SRC))
$(B)/tests/chaos: TEST_LIBS = $(GIO_LIBS)
$(B)/tests/nth:   $(call objects,$(NTH_SRC))
$(B)/tests/chaos $(B)/tests/nth: $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(LIBS) $(TEST_LIBS)

# A target is tests/fuzz/NAME_fuzz.c. It has libFuzzer's main if clang builds it for fuzzing, else one that replays files.
FUZZ := $(patsubst tests/fuzz/%_fuzz.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZING := $(findstring fuzzer,$(SAN))
$(FUZZ): $(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%_fuzz.o $(if $(FUZZING),,$(B)/obj/tests/fuzz/replay.o) $(B)/obj/libviz.a $(B)/lib/libskate.a $(B)/.files
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD      $@")
	$(Q)$(LINK) $(if $(FUZZING),-fsanitize=fuzzer) -o $@ $(filter %.o %.a,$^) $(GLIB_LIBS) -lm
fuzz-targets: $(FUZZ)

# Without SAN also what no sanitizer can change: must-not-compile, layers, install.
check: all $(TESTS) $(VIEW_TESTS) $(FUZZ) $(B)/tests/many_things $(B)/tests/chaos $(B)/tests/proxy $(B)/tests/line $(B)/tests/pulls $(B)/tests/nth $(WINDOW_TEST)
	@CC='$(CC)' SAN='$(SAN)' ALL='$(ALL)' tests/run $(B) $(SUITES)

sim-model: $(LIB)
	@CC='$(CC)' SAN='$(SAN)' tests/simgrid/run $(B)

# Random programs under random faults, in virtual time: SEEDS=n. Ten thousand take about a minute on two cores.
sim-faults: $(B)/tests/sim-faults
	@$(B)/tests/sim-faults --seeds $(or $(SEEDS),10000)

# Worker processes and whole programs killed at random moments: KILLS=n. Nodes killed, frozen, badly connected: NODE_KILLS=n FREEZES=n FAULTS=n.
chaos: $(B)/tests/chaos
	@$(B)/tests/chaos --kills $(or $(KILLS),500)
	@$(B)/tests/chaos --store --kills $(or $(KILLS),500)
	@$(B)/tests/chaos --nodes --kills $(or $(NODE_KILLS),50) --freezes $(or $(FREEZES),20) --faults $(or $(FAULTS),50)

# TARGETS="frame": some. The replayers are built too, to see a crash again.
FUZZ_SAN := fuzzer-no-link,address,undefined
fuzz: $(FUZZ)
	@$(MAKE) CC=$(FUZZ_CC) SAN=$(FUZZ_SAN) fuzz-targets
	@tests/fuzz/run fuzz build/$(FUZZ_SAN) $(or $(SECONDS),60) $(TARGETS)

fuzz-coverage:
	@$(MAKE) CC=gcc B=build/coverage CFLAGS='--coverage -O0' LDFLAGS=--coverage fuzz-targets
	@tests/fuzz/run coverage build/coverage $(TARGETS)

# ---- Benchmarks ----------------------------------------------------------------------------------

# tests/bench/build builds the programs, with the flags of a program in a hurry. One row starts `skate node`.
bench: $(LIB) $(PROGRAMS) $(B)/obj/libviz.a
	@BUILD='$(B)' CC='$(CC)' ROWS='$(ROWS)' BACKENDS='$(BACKENDS)' PEERS='$(PEERS)' JSON='$(JSON)' tests/bench/run

# ---- Install -------------------------------------------------------------------------------------

D := $(DESTDIR)$(PREFIX)
install: $(LIB) $(PROGRAMS) $(CONFORM)
	$(Q)install -d $(D)/bin $(D)/include/skate $(D)/lib/pkgconfig $(D)/libexec/skate
	$(Q)install -m 644 sim/skate.h $(D)/include/
	$(Q)install -m 644 $(wildcard sim/skate/*.h) $(D)/include/skate/
	$(Q)install -m 644 $(B)/lib/libskate.a $(D)/lib/
	$(Q)install -m 755 $(B)/lib/$(SONAME) $(D)/lib/
	$(Q)ln -sf $(SONAME) $(D)/lib/libskate.so
	$(Q)printf '%s\n' "$$INSTALLED_PC" >$(D)/lib/pkgconfig/skate.pc
	$(Q)chmod 644 $(D)/lib/pkgconfig/skate.pc
	$(Q)install -m 755 $(B)/bin/skate $(D)/bin/
	$(Q)install -m 755 $(filter $(LIBEXEC)/%,$^) $(D)/libexec/skate/
	@echo "installed in $(D); if pkg-config does not find it: export PKG_CONFIG_PATH=$(PREFIX)/lib/pkgconfig"

-include $(patsubst %.c,$(B)/obj/%.d,$(SOURCES))
endif

FILES ?= $(filter-out sim/skate.h sim/skate/%,$(shell git diff --name-only --diff-filter=d HEAD -- '*.c' '*.h' 2>/dev/null))
format:
	@command -v clang-format >/dev/null || { echo "format: clang-format is missing: apt-get install clang-format"; exit 1; }
	$(if $(FILES),$(Q)clang-format -i $(FILES),@echo "format: no .c or .h file has changed")
