-- wrk's requests: GET of one path on keep-alive connections, each with the next of 64 tokens, or each
-- with a token that was never used before, or without; or GET of a path of FILE, taken at random.
--   wrk ... -s load.lua URL -- open|shared|fresh|paths PATH [FILE]
-- One wrk thread, so that `issued` is every request written. Ends with one line of JSON.
issued = -1  -- wrk asks once before it starts, to see whether requests are pipelined
exhausted = false

local host = "Host: bench.example\r\n"
local threads = {}

local function head(path, token)
  local authorization = token and ("Authorization: Bearer " .. token .. "\r\n") or ""
  return "GET " .. path .. " HTTP/1.1\r\n" .. host .. authorization .. "\r\n"
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local mode, path, file = args[1], args[2], args[3]
  if mode == "open" then
    local only = head(path)
    request = function()
      issued = issued + 1
      return only
    end
  elseif mode == "paths" then
    local all = {}
    for line in io.lines(file) do table.insert(all, head(line)) end
    local n, random = #all, math.random
    request = function()
      issued = issued + 1
      return all[random(n)]
    end
  elseif mode == "shared" then
    local all = {}
    for token in io.lines(file) do table.insert(all, head(path, token)) end
    local n = #all
    request = function()
      issued = issued + 1
      return all[issued % n + 1]
    end
  else
    local tokens = io.lines(file)
    local before = "GET " .. path .. " HTTP/1.1\r\n" .. host .. "Authorization: Bearer "
    request = function()
      issued = issued + 1
      local token = not exhausted and tokens()
      if not token then exhausted = true end  -- the run does not count
      return before .. (token or "none") .. "\r\n\r\n"
    end
  end
end

function done(summary, latency, requests)
  local thread = threads[1]
  local e = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"issued":%d,"exhausted":%s,"microseconds":%d,"bytes":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d},' ..
    '"p50":%d,"p99":%d}\n',
    summary.requests, thread:get("issued"), tostring(thread:get("exhausted")), summary.duration,
    summary.bytes, e.connect, e.read, e.write, e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
