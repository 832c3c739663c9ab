-- For wrk: posts one body all the time. `wrk ... -s post.lua URL -- BODY_FILE PAUSE_MS [NAME=VALUE]...`, with headers last.
-- With a PAUSE_MS above 0 each connection waits before each request, for a random time with that mean: many connections
-- then ask as many independent callers do (exponential pauses: a Poisson process), whether others were answered or not.
-- Prints a line of JSON at the end: requests, failed ones, seconds, and the latencies' percentiles in milliseconds.

function init(args)
  wrk.method = "POST"
  local file = assert(io.open(args[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
  local pause = tonumber(args[2])
  for i = 3, #args do
    local name, value = args[i]:match("^([^=]+)=(.*)$")
    wrk.headers[name] = value
  end
  if pause > 0 then
    math.randomseed(1)
    -- wrk waits for whole milliseconds.
    delay = function() return math.floor(-pause * math.log(1 - math.random()) + math.random()) end
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"failed":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f}',
    summary.requests, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
