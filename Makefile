# The commands that people type; each does its own set-up, and the work is done by CMake presets and tools/.
.PHONY: build demo test sanitize fuzz bench format tidy install clean help

build: ## build/cosrel and the library
	@tools/setup build
	@tools/build release

demo: build ## the main job: reference models on this machine's processors, policies compared, a report
	@tools/demo

test: ## everything: gcc, clang, sanitizers, browser, installation
	@tools/test

sanitize: ## only the sanitizers' runs
	@tools/test asan tsan

fuzz: ## fuzz each parser for a minute (FUZZ_SECONDS=60)
	@tools/setup test
	@tools/fuzz

bench: ## what docs/benchmarks.md is made of
	@tools/setup test
	@tools/build release-tests
	@tools/bench

format: ## clang-format over the C files
	@tools/setup dev
	@git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

tidy: ## clang-tidy over the sources
	@tools/setup dev
	@tools/build release
	@git ls-files -z 'src/*.c' 'apps/*.c' | xargs -0 -P "$$(nproc)" -n 1 clang-tidy --quiet -p build

install: build ## into PREFIX (/usr/local), below DESTDIR where given
	@cmake --install build --prefix "$(or $(PREFIX),/usr/local)"

clean: ## remove what was built; what was fetched (build/deps) stays
	@find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile
