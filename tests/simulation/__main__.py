import sys, os, time, logging
os.environ["DJANGO_SETTINGS_MODULE"]="tests.simulation.settings"
from tests.simulation import logbook
import django
django.setup()
logbook.take_over()
from django.core.management import call_command
from django.db import connection
call_command("migrate",verbosity=0)
from checkout.models import *
from checkout.providers.registry import ADAPTERS
ADAPTERS["memory"]="tests.simulation.twin.Twin"
m=Merchant.objects.create(code="shop",name="The Shop")
ProviderAccount.objects.create(merchant=m,code="twin",provider="memory",merchant_code="TWIN",endpoint="http://localhost/")
for sku in ("tea","cup"): StockItem.objects.create(sku=sku,name=sku,price_minor=100,currency="EUR",quantity=10)
from tests.simulation.database.base import Template
from tests.simulation import randomness
from tests.simulation.clock import Clock
from tests.simulation.world import World
from tests.simulation import invariants
invariants.watch_history(connection.connection)
template=Template(connection.connection)
randomness.take_over()
from tests.simulation import threads
threads.take_over()
clock=Clock()
def one(seed):
    template.restore()
    randomness.restart(seed)
    from django.db import connections
    w=World(seed,clock,connections['default'])
    w.run()
    return w
first,n=int(sys.argv[1]),int(sys.argv[2])
t=time.process_time()
for s in range(first,first+n):
    w=one(s)
    if n==1: print("\n".join(w.trace.lines()))
    for v in w.violations: print(s,v)
    if n<20: print(s, w.trace.digest()[:10], len(w.trace._events), clock.now, [(p.state, [x.state for x in p.attempts.all()]) for p in Payment.objects.all()], [(s.kind,s.step,s.status) for s in Saga.objects.all()])
t=time.process_time()-t
print("ms per schedule",t/n*1e3,"per minute",60*n/t)
