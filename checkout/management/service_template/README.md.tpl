# The ${name} service

Written by `manage.py startservice ${name}`. It passes its tests; `service.py` is where your work begins. What is left to do:

1. Let every process of the gateway find the package: add the folder that contains `${name}/` to `PYTHONPATH`, or install it.
2. Set `CHECKOUT_OWN_APPS=${name}` (with commas, if there are others) in the environment of every process. `manage.py check` reports what is wrong.
3. `manage.py migrate` makes its table.
4. `manage.py broker_users` makes its broker user, and gives `checkout` the right to ask it: import its definitions again.
5. Start `manage.py run_service ${name}` with that user in `BROKER_URL`, then restart `checkout`. With `memory://` it runs inside the web process.
6. `manage.py gateway doctor` shows if its queue is read.

`purchase_steps.py` adds one step to every purchase. Change or delete it: the gateway's page docs/own-steps.md describes it, and what else the package may have.
To see it in a purchase on this machine, before any of the above, from the gateway's folder: `PYTHONPATH=${into} CHECKOUT_OWN_APPS=${name} make demo ONCE=1`

Its tests, from the gateway's folder (`make lint` installs pytest there):
`PYTHONPATH=${into} CHECKOUT_OWN_APPS=${name} .venv/bin/python -m pytest -c pyproject.toml ${folder}`
