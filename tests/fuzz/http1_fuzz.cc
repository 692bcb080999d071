// Arbitrary bytes, arbitrarily cut, into both HTTP/1 codecs. What must hold:
//  - the events, the answer and the fate of the connection do not depend on the cuts, nor on
//  pauses;
//  - a request that was accepted is read by a strict server exactly as it was, once it was
//  forwarded;
//  - a codec that failed stays failed, and nothing is delivered after a fault or an end.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_replace.h"
#include "common/base/random.h"
#include "tests/fakes/codec_recorder.h"

namespace tollgate::proxy {
namespace {

void Check(bool ok, const char* what, const std::string& a = "", const std::string& b = "") {
  if (ok) return;
  std::fprintf(stderr, "%s\n--- one\n%s\n--- other\n%s\n", what, a.c_str(), b.c_str());
  std::abort();
}

struct Options {
  bool accept_upgrade;
  bool answer_early;  // at the head
  bool pause;         // stops delivery inside of every data event
  bool head_request;  // client: HEAD
  bool upgrade;       // client: asks for one
  bool eof;
  CodecLimits limits;
};

// Answers every request, and keeps to what Options say.
class Answerer final : public ServerRecorder {
 public:
  Answerer(const Options& options, Wire& wire) : options_(options), wire_(wire) {}

  void OnRequestHead(StreamId id, RequestHead& head, bool end) override {
    Check(id != 0, "stream 0 has a head");
    upgrade_ = !head.upgrade.empty();
    tunnel_ = false;
    answered_ = false;
    if (!end && options_.answer_early) Answer(id);
    ServerRecorder::OnRequestHead(id, head, end);
  }
  void OnRequestData(StreamId id, absl::string_view data, bool end) override {
    Check(!answered_ || tunnel_, "data after the response");
    if (options_.pause && !end) codec->Pause(id);
    if (end && tunnel_) {
      log.Add("tunnel end");
      codec->EncodeData(id, "bye", true, wire_.queue());
      return;
    }
    ServerRecorder::OnRequestData(id, data, end);
  }
  void OnEnd(StreamId id) override {
    log.Add("end");
    if (!answered_) Answer(id);
  }

  ServerCodec* codec = nullptr;

 private:
  void Answer(StreamId id) {
    answered_ = true;
    ResponseHead head;
    head.status = 200;
    tunnel_ = upgrade_ && options_.accept_upgrade;
    if (tunnel_) head.status = 101;
    head.body = {BodySize::Kind::kLength, 2};
    codec->EncodeHead(id, head, false, wire_.queue());
    if (!tunnel_) codec->EncodeData(id, "ok", true, wire_.queue());
  }

  const Options& options_;
  Wire& wire_;
  bool upgrade_ = false;
  bool tunnel_ = false;
  bool answered_ = false;
};

class Listener final : public ClientRecorder {
 public:
  explicit Listener(const Options& options) : options_(options) {}
  void OnResponseData(StreamId id, absl::string_view data, bool end) override {
    Check(!ended_, "data after the end");
    if (options_.pause && !end) codec->Pause(id);
    ClientRecorder::OnResponseData(id, data, end);
  }
  void OnEnd(StreamId) override {
    Check(!ended_, "two ends");
    ended_ = true;
    log.Add("end");
  }

  ClientCodec* codec = nullptr;

 private:
  const Options& options_;
  bool ended_ = false;
};

// Feeds `input` in pieces of `rng`'s choice (one piece without), resuming what was paused.
template <typename Codec>
std::string Drive(Codec& codec, absl::string_view input, const Options& options, Random* rng,
                  StreamId last_stream) {
  std::string held;
  FeedResult result;
  while (!result.failed) {
    const size_t size = rng == nullptr || rng->Below(8) == 0
                            ? input.size()
                            : std::min<size_t>(input.size(), 1 + rng->Below(6));
    held.append(input.data(), size);
    input.remove_prefix(size);
    bool progress = true;
    while (progress && !result.failed && !held.empty()) {
      for (StreamId id = 1; id <= last_stream; ++id) codec.Resume(id);
      result = codec.Feed(held);
      Check(result.consumed <= held.size(), "consumed more than was fed");
      progress = result.consumed > 0;
      held.erase(0, result.consumed);
    }
    if (input.empty()) break;
  }
  if (!result.failed && options.eof && held.empty()) {
    result = codec.FeedEof();
  }
  if (result.failed) {
    Check(codec.closing(), "failed and not closing");
    const FeedResult again = codec.Feed("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    Check(again.failed && again.consumed == 0, "a codec that failed was fed");
  }
  return result.failed ? absl::StrCat(result.error.status, " ", result.error.reason, " on ",
                                      result.stream, "\n")
                       : absl::StrCat("ok held ", held.size(), "\n");
}

std::string RunServer(absl::string_view input, const Options& options, Random* rng) {
  Wire wire;
  Answerer events(options, wire);
  const auto codec = MakeHttp1ServerCodec(events, options.limits);
  events.codec = codec.get();
  // Every stream that there can be: a request takes at least 16 bytes.
  const auto streams = static_cast<StreamId>(input.size() / 16 + 1);
  const std::string outcome = Drive(*codec, input, options, rng, streams);
  return absl::StrCat(outcome, codec->closing() ? "closing\n" : "", codec->idle() ? "idle\n" : "",
                      events.log.text(), "wire ", wire.Take());
}

std::string RunClient(absl::string_view input, const Options& options, Random* rng) {
  Wire wire;
  Listener events(options);
  const auto codec = MakeHttp1ClientCodec(events, options.limits);
  events.codec = codec.get();
  RequestHead head;
  head.method_name = options.head_request ? "HEAD" : "GET";
  head.method = MethodOf(head.method_name);
  head.authority = "a";
  head.path = "/";
  if (options.upgrade) head.upgrade = "websocket";
  const StreamId id = codec->EncodeHead(head, true, wire.queue());
  const std::string outcome = Drive(*codec, input, options, rng, id);
  return absl::StrCat(outcome, codec->closing() ? "closing\n" : "", codec->idle() ? "idle\n" : "",
                      events.log.text());
}

// Forwards the first request.
class Forwarder final : public ServerRecorder {
 public:
  explicit Forwarder(ClientCodec& upstream, Wire& wire) : upstream_(upstream), wire_(wire) {}

  void OnRequestHead(StreamId id, RequestHead& head, bool end) override {
    stream_ = upstream_.EncodeHead(head, end, wire_.queue());
    Check(stream_ != 0, "an accepted head cannot be forwarded");
    ServerRecorder::OnRequestHead(id, head, end);
  }
  void OnRequestData(StreamId id, absl::string_view data, bool end) override {
    upstream_.EncodeData(stream_, data, end, wire_.queue());
    ServerRecorder::OnRequestData(id, data, end);
  }
  void OnRequestTrailers(StreamId id, HeaderMap& trailers) override {
    upstream_.EncodeTrailers(stream_, trailers, wire_.queue());
    ServerRecorder::OnRequestTrailers(id, trailers);
  }

 private:
  ClientCodec& upstream_;
  Wire& wire_;
  StreamId stream_ = 0;
};

void CheckForwarding(absl::string_view input) {
  class Silent final : public ClientRecorder {
  } silent;
  class Reader final : public ServerRecorder {
  } reader;
  Wire wire;
  const auto client = MakeHttp1ClientCodec(silent, CodecLimits{});
  Forwarder forwarder(*client, wire);
  MakeHttp1ServerCodec(forwarder, CodecLimits{})->Feed(input);
  const std::string sent = wire.Take();
  // What is written may be a little longer than what was read: names of fields that were left out
  // are shorter than the framing that is added.
  CodecLimits wide;
  wide.max_header_bytes *= 2;
  const auto server = MakeHttp1ServerCodec(reader, wide);
  const FeedResult result = server->Feed(sent);
  Check(!result.failed, "what was forwarded is refused", sent, result.error.reason);
  Check(result.consumed == sent.size(), "more than one request was forwarded", sent);
  const auto normal = [](const EventLog& log) {
    return absl::StrReplaceAll(log.text(),
                               {{" expect", ""}, {"body=none", "body=0"}, {" 1.0\n", " 1.1\n"}});
  };
  Check(normal(forwarder.log) == normal(reader.log), "what was forwarded reads differently",
        normal(forwarder.log), normal(reader.log));
}

}  // namespace
}  // namespace tollgate::proxy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tollgate::proxy;
  if (size < 2) return 0;
  const uint8_t flags = data[0];
  Options options{};
  options.accept_upgrade = flags & 2;
  options.answer_early = flags & 4;
  options.head_request = flags & 4;
  options.upgrade = flags & 2;
  options.eof = flags & 8;
  if (flags & 16) options.limits = {256, 8, 64};  // limits that an input can reach
  tollgate::Random rng(data[1]);
  const absl::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto run = [&](tollgate::Random* cuts) {
    return (flags & 1) ? RunClient(input, options, cuts) : RunServer(input, options, cuts);
  };
  const std::string whole = run(nullptr);
  std::string cut = run(&rng);
  Check(whole == cut, "the cuts show", whole, cut);
  options.pause = true;
  cut = run(&rng);
  Check(whole == cut, "the pauses show", whole, cut);
  if (!(flags & 1)) CheckForwarding(input);
  return 0;
}
