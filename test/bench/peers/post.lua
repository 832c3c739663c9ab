-- For wrk: posts one body all the time. `wrk ... -s post.lua URL -- BODY_FILE [NAME=VALUE]...`, with headers after the file.
-- Prints a line of JSON at the end: requests, failed ones, seconds, and the latencies' percentiles in milliseconds.

function init(args)
  wrk.method = "POST"
  local file = assert(io.open(args[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
  for i = 2, #args do
    local name, value = args[i]:match("^([^=]+)=(.*)$")
    wrk.headers[name] = value
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
