// What one request costs in the HTTP/1 codecs, and that the steady state allocates nothing: the run
// fails when it does.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <new>
#include <string>
#include <utility>

#include "proxy/http/codec.h"
#include "proxy/net/buffer.h"
#include "proxy/net/write_queue.h"

namespace {
uint64_t allocations = 0;
}  // namespace

// Not inlined: the compiler would warn of memory that one half made and the other half frees.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace tollgate::proxy {
namespace {

constexpr absl::string_view kRequest =
    "POST /v2/payments?expand=refunds HTTP/1.1\r\n"
    "Host: pay.example.com\r\n"
    "User-Agent: checkout/4.2.1 (linux; x86_64)\r\n"
    "Accept: application/json\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 16\r\n"
    "Authorization: Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJiYW5rIn0.c2lnbmF0dXJl\r\n"
    "Idempotency-Key: 7f3b1c9e-52f4-4c39-9f0b-0d4b2a9a6f11\r\n"
    "X-Request-Id: 0193a1f0-7b1e-7c3f-8d2a-5e6f7a8b9c0d\r\n"
    "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    "\r\n"
    "{\"amount\":  4200";

constexpr absl::string_view kResponse =
    "HTTP/1.1 201 Created\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 16\r\n"
    "Date: Fri, 20 Nov 2026 20:00:00 GMT\r\n"
    "Location: /v2/payments/42\r\n"
    "Cache-Control: no-store\r\n"
    "\r\n"
    "{\"id\":        42";

// Keeps the head as a stream would.
class ServerSink final : public ServerCodecEvents {
 public:
  void OnRequestHead(StreamId stream, RequestHead& request, bool) override {
    id = stream;
    std::swap(head, request);
  }
  void OnRequestData(StreamId, absl::string_view data, bool) override { bytes += data.size(); }
  void OnRequestTrailers(StreamId, HeaderMap&) override {}
  void OnRequestReset(StreamId, ResetReason) override {}

  StreamId id = 0;
  RequestHead head;
  size_t bytes = 0;
};

class ClientSink final : public ClientCodecEvents {
 public:
  void OnResponseInformational(StreamId, ResponseHead&) override {}
  void OnResponseHead(StreamId, ResponseHead& response, bool) override {
    std::swap(head, response);
  }
  void OnResponseData(StreamId, absl::string_view data, bool) override { bytes += data.size(); }
  void OnResponseTrailers(StreamId, HeaderMap&) override {}
  void OnResponseReset(StreamId, ResetReason) override {}
  void OnGoAway(StreamId) override {}

  ResponseHead head;
  size_t bytes = 0;
};

void CheckAllocations(benchmark::State& state, uint64_t before) {
  const uint64_t used = allocations - before;
  state.counters["allocations"] = static_cast<double>(used);
  if (used > 0) state.SkipWithError("the steady state allocates");
}

struct Parties {
  ServerSink server_events;
  ClientSink client_events;
  BufferPool pool;
  WriteQueue out{pool};
  std::unique_ptr<ServerCodec> server = MakeHttp1ServerCodec(server_events, CodecLimits{});
  std::unique_ptr<ClientCodec> client = MakeHttp1ClientCodec(client_events, CodecLimits{});

  void Parse() { server->Feed(kRequest); }
  void Answer() {
    ResponseHead& head = client_events.head;
    server->EncodeHead(server_events.id, head, false, out);
    server->EncodeData(server_events.id, kResponse.substr(kResponse.size() - 16), true, out);
  }
  StreamId Ask() {
    const StreamId id = client->EncodeHead(server_events.head, false, out);
    client->EncodeData(id, kRequest.substr(kRequest.size() - 16), true, out);
    return id;
  }
  void Listen() { client->Feed(kResponse); }
  // One whole exchange as a proxy makes it; twice, so that both sides of each swap have capacity.
  void WarmUp() {
    for (int i = 0; i < 3; ++i) Exchange();
  }
  void Exchange() {
    Parse();
    Ask();
    out.Clear();
    Listen();
    Answer();
    out.Clear();
  }
};

void BM_ParseRequestAndMinimalAnswer(benchmark::State& state) {
  Parties parties;
  parties.WarmUp();
  ResponseHead none;
  none.status = 200;
  const uint64_t before = allocations;
  for (auto _ : state) {
    parties.Parse();
    parties.server->EncodeHead(parties.server_events.id, none, true, parties.out);
    parties.out.Clear();
  }
  CheckAllocations(state, before);
}
BENCHMARK(BM_ParseRequestAndMinimalAnswer);

void BM_MinimalAnswer(benchmark::State& state) {
  Parties parties;
  parties.WarmUp();
  constexpr absl::string_view kTiny = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  ResponseHead none;
  none.status = 200;
  const uint64_t before = allocations;
  for (auto _ : state) {
    parties.server->Feed(kTiny);
    parties.server->EncodeHead(parties.server_events.id, none, true, parties.out);
    parties.out.Clear();
  }
  CheckAllocations(state, before);
}
BENCHMARK(BM_MinimalAnswer);

void BM_EncodeRequest(benchmark::State& state) {
  Parties parties;
  parties.WarmUp();
  parties.Parse();
  constexpr absl::string_view kTiny = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  const uint64_t before = allocations;
  for (auto _ : state) {
    parties.Ask();
    parties.out.Clear();
    parties.client->Feed(kTiny);
  }
  CheckAllocations(state, before);
}
BENCHMARK(BM_EncodeRequest);

void BM_ParseResponseAndMinimalRequest(benchmark::State& state) {
  Parties parties;
  parties.WarmUp();
  RequestHead head;
  head.method_name = "GET";
  head.path = "/";
  head.authority = "a";
  const uint64_t before = allocations;
  for (auto _ : state) {
    parties.client->EncodeHead(head, true, parties.out);
    parties.out.Clear();
    parties.Listen();
  }
  CheckAllocations(state, before);
}
BENCHMARK(BM_ParseResponseAndMinimalRequest);

// All that a proxied request costs in the codecs: parse, encode, parse, encode.
void BM_WholeExchange(benchmark::State& state) {
  Parties parties;
  parties.WarmUp();
  const uint64_t before = allocations;
  for (auto _ : state) parties.Exchange();
  CheckAllocations(state, before);
}
BENCHMARK(BM_WholeExchange);

}  // namespace
}  // namespace tollgate::proxy
