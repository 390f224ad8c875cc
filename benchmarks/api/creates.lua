-- A script for wrk: each POST creates the payment of another order. The argument is the API key; it is not needed by
-- the floor, which ignores the headers. The report is that of load.lua.

dofile(debug.getinfo(1, "S").source:match("^@(.*)/") .. "/../load.lua")

local number = 0
local run = string.format("%d-%d", os.time(), math.floor(os.clock() * 1e6))

function init(arguments)
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
