-- A script for wrk: each POST creates the payment of another order. The argument is the API key; it is not needed by
-- the floor, which ignores the headers.

wrk.method = "POST"

local number = 0
local run = string.format("%d-%d", os.time(), math.floor(os.clock() * 1e6))

function init(arguments)
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. arguments[1]
end

function request()
  number = number + 1
  local order = string.format("%s-%d", run, number)
  wrk.headers["Idempotency-Key"] = order
  return wrk.format(nil, nil, nil, string.format(
    '{"order_reference":"%s","amount":1250,"currency":"EUR","description":"Tea and a mug",'
      .. '"customer_email":"ada@shop.example","metadata":{"cart":"c-17","channel":"web"}}', order))
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"bad_answers":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
