-- One fixed chat request, made from the environment so that no key shows in a list of commands;
-- the figures come out as one line of JSON. Overriding nothing per request keeps wrk cheap.
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")

function done(summary, latency, _)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"us":%d,"p50_us":%.1f,"p99_us":%.1f,"errors":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout
    ))
end
