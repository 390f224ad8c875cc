# Every target makes the virtual environment it needs: nothing has to be installed beforehand but Python 3.11+.

PYTHON := .venv/bin/python
RUNTIME := .venv/.runtime-installed
DEVELOPMENT := .venv/.development-installed
DOCS := .venv-docs/.installed
CLIENTS := .venv-clients/.installed
PEERS_INSTALLED := .venv-bench/.installed benchmarks/node/node_modules/.installed

# Where it is set, every one of a dozen processes would compile all of its modules again at each start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo docs docs-build test test-fast test-long faults hostile fuzz bench up wheels lint format migrate lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(RUNTIME) ## Try it out: one purchase through 3-D Secure, then serve until Ctrl-C (ONCE=1: the purchase only; MESS=1: also one of everything to settle)
	@$(PYTHON) manage.py run_demo $(if $(ONCE),--once) $(if $(MESS),--mess)

docs: docs-build ## Read the documentation at http://localhost:8080, until Ctrl-C (DOCS_PORT=p)
	@$(PYTHON) -m http.server --bind localhost --directory .local/docs/site $(or $(DOCS_PORT),8080)

docs-build: $(DOCS) ## Build the documentation into .local/docs/site, with every warning as an error
	@.venv-docs/bin/python -m scripts.documentation.site

test: $(DEVELOPMENT) $(DOCS) ## Run all checks and tests, with RabbitMQ, PostgreSQL and Chromium set up for it
	@$(PYTHON) -m scripts.run_tests

test-fast: $(DEVELOPMENT) ## Run the tests that need no server
	@$(PYTHON) -m scripts.run_tests --fast

test-long: $(DEVELOPMENT) $(CLIENTS) ## Run the tests that take long: outages, slow clients, attacks, client libraries, mutants
	@$(PYTHON) -m scripts.run_tests --long

faults: $(DEVELOPMENT) ## Break everything around thousands of payments (PAYMENTS=n MINUTES=m AT_MOST=m SEED=s CLUSTER=1 STANDBY=1 WITHOUT_KEYS=1, long form: ROUNDS=r PATIENCE=p)
	@$(PYTHON) -m tests.faults --payments $(or $(PAYMENTS),3000) --minutes $(or $(MINUTES),0) --at-most $(or $(AT_MOST),0) \
		--seed $(or $(SEED),0) --rounds $(or $(ROUNDS),1) --patience $(or $(PATIENCE),1) $(if $(REPORT),--json $(REPORT)) \
		$(if $(CLUSTER),--cluster) $(if $(STANDBY),--standby) $(if $(WITHOUT_KEYS),--without-keys)

hostile: $(DEVELOPMENT) ## Attack the whole stack while shoppers pay (SECONDS=s of each phase, ATTACKS=a,b)
	@$(PYTHON) -m tests.hostile --seconds $(or $(SECONDS),60) $(if $(ATTACKS),--attacks "$(ATTACKS)")

bench: $(DEVELOPMENT) $(PEERS_INSTALLED) ## Measure beside other systems (PEERS=a,b ROUNDS=r SECONDS=s, WHAT=held,layers,purchases,filled,share,cost,webhooks,api,cluster,node_lost,drift,reconciliation or all)
	@$(PYTHON) -m benchmarks --what $(or $(WHAT),compare) $(if $(PEERS),--peers $(PEERS)) $(if $(COUNTS),--counts $(COUNTS)) \
		$(if $(COMMIT),--commit $(COMMIT)) --rounds $(or $(ROUNDS),3) --seconds $(or $(SECONDS),5)

fuzz: $(DEVELOPMENT) ## Send generated requests to the API of a running stack, and check every answer (MINUTES=m SEED=s)
	@$(PYTHON) -m scripts.with_services --require $(PYTHON) -m tests.api.fuzz --minutes $(or $(MINUTES),10) \
		--seed $(or $(SEED),0)

up: $(RUNTIME) ## Run the real stack of the Procfile on RabbitMQ and PostgreSQL (data stays in .local/, or DATA=folder)
	@$(PYTHON) -m scripts.run_stack

wheels: $(DEVELOPMENT) ## Build the packages payments-gateway and django-rabbit-rpc into dist/
	@$(PYTHON) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist ./messaging .

lint: $(DEVELOPMENT) ## Check style, docstrings, types and migrations
	@$(PYTHON) -m scripts.lint

format: $(DEVELOPMENT) ## Format the code
	@$(PYTHON) -m ruff format . && $(PYTHON) -m ruff check --fix .

migrate: $(RUNTIME) ## Migrate every configured database (default: db.sqlite3)
	@$(PYTHON) manage.py migrate

lock: $(DEVELOPMENT) ## Pin the dependencies of pyproject.toml again (UPGRADE=1: the newest of all)
	@scripts/lock.sh

clean: ## Remove the virtual environment, caches and kept data
	rm -rf .venv .venv-bench .venv-clients .venv-docs benchmarks/node/node_modules .local .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis dist staticfiles db.sqlite3*

$(RUNTIME): requirements.txt
	@scripts/make_venv.sh $<
	@touch $@

$(DEVELOPMENT): requirements-dev.txt
	@scripts/make_venv.sh $<
	@touch $@ $(RUNTIME)

$(DOCS): requirements-docs.txt | $(RUNTIME)
	@$(PYTHON) -m venv --clear .venv-docs
	@echo "Installing the packages of $< into .venv-docs"
	@.venv-docs/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $<
	@touch $@

$(CLIENTS): tests/browser/engines/program/requirements.txt | $(RUNTIME)
	@$(PYTHON) -m venv --clear .venv-clients
	@echo "Installing the packages of $< into .venv-clients"
	@.venv-clients/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $<
	@touch $@

.venv-bench/.installed: benchmarks/requirements.txt | $(DEVELOPMENT)
	@PACKAGES="rabbitmq-server postgresql nodejs npm wrk redis-server" scripts/install_packages.sh
	@$(PYTHON) -m venv --clear .venv-bench
	@echo "Installing the packages of $< into .venv-bench"
	@.venv-bench/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $<
	@touch $@

benchmarks/node/node_modules/.installed: benchmarks/node/package-lock.json | .venv-bench/.installed
	@npm ci --silent --prefix benchmarks/node
	@touch $@
