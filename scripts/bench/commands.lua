-- For wrk: POST increment to one of a thousand counters, and print the result as one line of JSON.
local requests = {}

function init(_)
  local headers = { ["Content-Type"] = "application/json" }
  for key = 1, 1000 do
    requests[key] = wrk.format("POST", "/actors/counter/bench-" .. key .. "/increment", headers, '{"by":1}')
  end
  math.randomseed(os.time())
end

function request()
  return requests[math.random(1000)]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"perSecond":%f,"p50Ms":%f,"p99Ms":%f,"failed":%d}\n',
    summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
