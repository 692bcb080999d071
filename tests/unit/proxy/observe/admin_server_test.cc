#include "proxy/observe/admin_server.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/json.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A blocking client.
class Client {
 public:
  explicit Client(const Address& address) {
    sockaddr_storage storage;
    const socklen_t size = address.ToSockaddr(&storage);
    fd_.reset(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), size), 0);
  }
  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the server may close early
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void FinishSending() { shutdown(fd_.get(), SHUT_WR); }
  // One response: by its Content-Length, or the head only.
  std::string Response(bool body = true) {
    while (in_.find("\r\n\r\n") == std::string::npos) {
      if (!Receive()) return std::exchange(in_, {});
    }
    size_t size = in_.find("\r\n\r\n") + 4;
    size_t length = 0;
    for (absl::string_view line : absl::StrSplit(in_.substr(0, size), "\r\n")) {
      if (absl::StartsWithIgnoreCase(line, "content-length: ")) {
        EXPECT_TRUE(absl::SimpleAtoi(line.substr(16), &length));
      }
    }
    if (body) size += length;
    while (in_.size() < size) {
      if (!Receive()) return std::exchange(in_, {});
    }
    const std::string response = in_.substr(0, size);
    in_.erase(0, size);
    return response;
  }
  // All until the server closes.
  std::string UntilClosed() {
    while (Receive()) {
    }
    return std::exchange(in_, {});
  }

 private:
  bool Receive() {
    char buffer[4096];
    const ssize_t n = recv(fd_.get(), buffer, sizeof(buffer), 0);
    EXPECT_GE(n, 0) << "reset";
    if (n > 0) in_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  UniqueFd fd_;
  std::string in_;
};

std::string Body(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}

class AdminServerTest : public testing::Test {
 protected:
  void Start(AdminServer::Options options = {}) { Start("127.0.0.1:0", options); }
  void Start(const std::string& address, AdminServer::Options options = {}) {
    auto started = AdminServer::Start(*Address::Parse(address), Actions(), clock_, options);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  AdminActions Actions() {
    AdminActions actions;
    actions.not_ready = [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      return reasons_;
    };
    actions.metrics = [this] { return std::string(metrics_bytes_, 'm') + "\n"; };
    actions.config = [] { return std::string("{\"listeners\":[]}"); };
    actions.stats = [] { return std::string("{\"requests\":7}"); };
    actions.set_log_level = [this](absl::string_view level) {
      if (level != "debug") {
        return absl::InvalidArgumentError(absl::StrCat("log level is '", level, "'"));
      }
      ++levels_set_;
      return absl::OkStatus();
    };
    actions.drain = [this] {
      ++drains_;
      return absl::OkStatus();
    };
    return actions;
  }
  std::string Ask(const std::string& method, const std::string& target,
                  const std::string& headers = "") {
    Client client(server_->address());
    client.Send(
        absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: localhost\r\n", headers, "\r\n"));
    return client.Response(method != "HEAD");
  }
  void NotReady(std::vector<std::string> reasons) {
    std::lock_guard<std::mutex> lock(mutex_);
    reasons_ = std::move(reasons);
  }

  SystemClock clock_;
  std::mutex mutex_;
  std::vector<std::string> reasons_;
  std::atomic<size_t> metrics_bytes_{10};
  std::atomic<int> levels_set_{0};
  std::atomic<int> drains_{0};
  std::unique_ptr<AdminServer> server_;  // last: its thread uses the rest
};

TEST_F(AdminServerTest, SaysWhatToKnowAlthoughItIsReady) {
  AdminActions actions = Actions();
  actions.notes = [] { return std::vector<std::string>{"serving last-known-good"}; };
  auto started = AdminServer::Start(*Address::Parse("127.0.0.1:0"), std::move(actions), clock_, {});
  ASSERT_TRUE(started.ok()) << started.status();
  server_ = *std::move(started);
  EXPECT_THAT(Ask("GET", "/ready"),
              AllOf(StartsWith("HTTP/1.1 200"),
                    HasSubstr("\"reasons\":[],\"notes\":[\"serving last-known-good\"]}")));
}

TEST_F(AdminServerTest, SaysWhetherItIsReady) {
  Start();
  EXPECT_THAT(Ask("GET", "/ready"), AllOf(StartsWith("HTTP/1.1 200"),
                                          testing::EndsWith("{\"ready\":true,\"reasons\":[]}\n")));
  NotReady({"no policy yet", "port \"8080\"\nis taken"});
  const std::string response = Ask("GET", "/ready");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 503"));
  StrictJson json;
  simdjson::dom::element root;
  ASSERT_EQ(json.Parse(Body(response), &root), JsonError::kNone);
  EXPECT_EQ(std::string(root["reasons"].at(1).get_string().value()), "port \"8080\"\nis taken");
}

TEST_F(AdminServerTest, AnswersEachPath) {
  Start();
  EXPECT_THAT(Ask("GET", "/live"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask("GET", "/metrics"),
              AllOf(HasSubstr("text/plain; version=0.0.4"), HasSubstr("mmmmmmmmmm\n")));
  EXPECT_EQ(Body(Ask("GET", "/config")), "{\"listeners\":[]}\n");
  EXPECT_EQ(Body(Ask("GET", "/stats")), "{\"requests\":7}\n");
  EXPECT_EQ(Body(Ask("GET", "/status")), "{\"requests\":7}\n");
  const std::string list = Ask("GET", "/");
  for (const char* path :
       {"/ready", "/live", "/metrics", "/config", "/stats", "/status", "/log-level", "/drain"}) {
    EXPECT_THAT(list, HasSubstr(absl::StrCat(" ", path, " ")));
  }
}

TEST_F(AdminServerTest, AnswersHeadWithoutABody) {
  Start();
  Client client(server_->address());
  client.Send(
      "HEAD /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.Response(/*body=*/false), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.Response(), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("requests")));
}

TEST_F(AdminServerTest, KnowsNoOtherPathAndNoOtherMethod) {
  Start();
  for (const char* target : {"/nothing", "/ready/", "/../ready", "/metrics%20", "/READY"}) {
    EXPECT_THAT(Ask("GET", target), StartsWith("HTTP/1.1 404")) << target;
  }
  EXPECT_THAT(Ask("POST", "/ready"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("\r\nallow: GET, HEAD\r\n")));
  EXPECT_THAT(Ask("GET", "/drain"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("\r\nallow: POST\r\n")));
  EXPECT_THAT(Ask("DELETE", "/log-level"), HasSubstr("\r\nallow: PUT, POST\r\n"));
  EXPECT_THAT(Ask("POST", "/"), StartsWith("HTTP/1.1 405"));
  EXPECT_EQ(drains_, 0);
}

TEST_F(AdminServerTest, HasNoPathForAnActionThatIsNotThere) {
  auto started = AdminServer::Start(*Address::Parse("127.0.0.1:0"), AdminActions(), clock_);
  ASSERT_TRUE(started.ok());
  server_ = *std::move(started);
  for (const char* target : {"/ready", "/metrics", "/config", "/stats", "/drain", "/log-level"}) {
    EXPECT_THAT(Ask("GET", target), StartsWith("HTTP/1.1 404")) << target;
  }
  EXPECT_THAT(Ask("GET", "/live"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, SetsTheLogLevel) {
  Start();
  EXPECT_THAT(Ask("PUT", "/log-level?level=debug"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask("POST", "/log-level?level=debug", "Content-Length: 0\r\n"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(levels_set_, 2);
  EXPECT_THAT(Ask("PUT", "/log-level?level=loud"),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("log level is 'loud'")));
  for (const char* target : {"/log-level", "/log-level?x=1", "/log-level?level=debug&level=info"}) {
    EXPECT_THAT(Ask("PUT", target), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("expected")));
  }
  EXPECT_EQ(levels_set_, 2);
}

TEST_F(AdminServerTest, Drains) {
  Start();
  EXPECT_THAT(Ask("POST", "/drain"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(drains_, 1);
}

TEST_F(AdminServerTest, DoesNothingForABrowser) {
  Start();
  EXPECT_THAT(Ask("POST", "/drain", "Origin: http://evil.example\r\n"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(Ask("POST", "/drain", "Sec-Fetch-Site: cross-site\r\n"), StartsWith("HTTP/1.1 403"));
  const auto with_host = [&](const std::string& host) {
    Client client(server_->address());
    client.Send(absl::StrCat("GET /config HTTP/1.1\r\nHost: ", host, "\r\n\r\n"));
    return client.Response().substr(9, 3);
  };
  EXPECT_EQ(with_host("rebound.example:9901"), "403");
  EXPECT_EQ(with_host("10.0.0.1"), "403");
  for (const char* host :
       {"127.0.0.1:9901", "127.0.0.1", "localhost", "localhost:1", "[::1]", "[::1]:9901"}) {
    EXPECT_EQ(with_host(host), "200") << host;
  }
  EXPECT_EQ(drains_, 0);
}

TEST_F(AdminServerTest, RefusesAnAddressThatOthersCanReach) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "10.0.0.1:0", "admin.example:9901"}) {
    const auto started = AdminServer::Start(*Address::Parse(address), Actions(), clock_);
    EXPECT_EQ(started.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(started.status().message()),
                AllOf(HasSubstr(address), HasSubstr("127.0.0.1:9901"), HasSubstr("unix:")));
  }
}

TEST_F(AdminServerTest, ListensOnAUnixSocketForItsGroupOnly) {
  std::string pattern = testing::TempDir() + "/admin_XXXXXX";
  const std::string directory = mkdtemp(pattern.data());
  const std::string path = directory + "/admin.sock";
  Start("unix:" + path);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  EXPECT_THAT(Ask("GET", "/ready"), StartsWith("HTTP/1.1 200"));
  server_.reset();
  unlink(path.c_str());
  rmdir(directory.c_str());
}

TEST_F(AdminServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  Client client(server_->address());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    absl::StrAppend(&requests, "GET ", i % 2 == 0 ? "/live" : "/config",
                    " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  client.Send(requests);
  client.FinishSending();
  for (int i = 0; i < 50; ++i) {
    ASSERT_THAT(client.Response(), HasSubstr(i % 2 == 0 ? "live" : "listeners")) << i;
  }
  EXPECT_THAT(client.UntilClosed(), IsEmpty());
}

TEST_F(AdminServerTest, TakesARequestByteByByte) {
  Start();
  Client client(server_->address());
  for (const char c : std::string("POST /drain HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Length: 5\r\n\r\nhello")) {
    client.Send(absl::string_view(&c, 1));
  }
  EXPECT_THAT(client.Response(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(drains_, 1);
}

TEST_F(AdminServerTest, WritesALargeAnswerToASlowReader) {
  metrics_bytes_ = 20 << 20;
  Start();
  Client client(server_->address());
  client.Send(
      "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(Body(client.Response()).size(), metrics_bytes_ + 1);
  EXPECT_THAT(client.Response(), HasSubstr("live"));
}

TEST_F(AdminServerTest, RefusesALargeBodyAndLetsTheClientReadWhy) {
  Start();
  Client client(server_->address());
  client.Send("POST /drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n");
  client.Send(std::string(200'000, 'x'));
  EXPECT_THAT(client.Response(), StartsWith("HTTP/1.1 413"));
  EXPECT_EQ(drains_, 0);
}

TEST_F(AdminServerTest, AnswersWhatIsNotHttpAndCloses) {
  Start();
  Client client(server_->address());
  client.Send(
      "GET /ready HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  client.FinishSending();
  EXPECT_THAT(client.UntilClosed(), StartsWith("HTTP/1.1 400"));
}

TEST_F(AdminServerTest, ClosesWhenAskedTo) {
  Start();
  Client client(server_->address());
  client.Send("GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.UntilClosed(), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, ClosesASilentConnection) {
  Start({.timeout = std::chrono::milliseconds(20)});
  Client silent(server_->address()), slow(server_->address());
  slow.Send("GET /live HTTP/1.1\r\nHo");
  EXPECT_THAT(silent.UntilClosed(), IsEmpty());
  EXPECT_THAT(slow.UntilClosed(), IsEmpty());
}

// What is beyond the cap waits, and is served when there is room.
TEST_F(AdminServerTest, CapsItsConnections) {
  Start({.max_connections = 2});
  auto first = std::make_unique<Client>(server_->address());
  Client second(server_->address());
  for (Client* client : {first.get(), &second}) {
    client->Send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(client->Response(), StartsWith("HTTP/1.1 200"));
  }
  Client third(server_->address());
  third.Send("POST /drain HTTP/1.1\r\nHost: localhost\r\n\r\n");
  second.Send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(second.Response(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(drains_, 0);
  first.reset();
  EXPECT_THAT(third.Response(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(drains_, 1);
}

TEST_F(AdminServerTest, EndsWithConnectionsOpen) {
  Start();
  Client idle(server_->address()), half(server_->address());
  half.Send("GET /live HT");
  EXPECT_THAT(Ask("GET", "/live"), StartsWith("HTTP/1.1 200"));
  server_.reset();
  EXPECT_THAT(idle.UntilClosed(), IsEmpty());
}

TEST_F(AdminServerTest, ServesManyThreadsAtOnce) {
  Start();
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        if (absl::StartsWith(Ask("GET", "/ready"), "HTTP/1.1 200")) ++served;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 160);
}

}  // namespace
}  // namespace tollgate::proxy
