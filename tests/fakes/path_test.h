// A fixture for tests of the whole data path: a DataPath with two upstreams that may answer by
// themselves, and one call that asks a question and has the answer taken apart.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/fakes/data_path.h"

namespace tollgate::proxy {

inline size_t CountOf(absl::string_view text, absl::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != absl::string_view::npos; at = text.find(what, at + 1)) {
    ++n;
  }
  return n;
}

// One HTTP/1 response with a Content-Length (or none), as text.
struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  std::string Field(absl::string_view name) const {
    for (absl::string_view line : absl::StrSplit(head, "\r\n")) {
      const auto colon = line.find(": ");
      if (colon != absl::string_view::npos && line.substr(0, colon) == name) {
        return std::string(line.substr(colon + 2));
      }
    }
    return "";
  }
  bool Has(absl::string_view name) const {
    return absl::StrContains(head, absl::StrCat("\r\n", name, ": "));
  }
};

// Nullopt: it is not whole yet.
inline std::optional<Answer> TakeApart(absl::string_view text) {
  const auto end = text.find("\r\n\r\n");
  if (end == absl::string_view::npos) return std::nullopt;
  Answer answer;
  answer.head = std::string(text.substr(0, end));
  answer.body = std::string(text.substr(end + 4));
  if (text.size() < 12 || !absl::SimpleAtoi(text.substr(9, 3), &answer.status)) {
    return std::nullopt;
  }
  size_t length = 0;
  if (absl::SimpleAtoi(answer.Field("content-length"), &length) && answer.body.size() < length) {
    return std::nullopt;
  }
  return answer;
}

class PathTest : public testing::Test {
 protected:
  explicit PathTest(ServerCodecFactory codec = &MakeHttp1, Resolver::Lookup lookup = {})
      : path(codec, std::move(lookup)) {
    path.upstreams = {&a, &b};
  }

  void ServeOne() { path.Adopt(DataPath::PublicPolicy({a.address()})); }
  Peer& Upstream(FakeUpstream& u, size_t i = 0) { return *u.connections().at(i); }
  bool UpstreamHas(FakeUpstream& u, absl::string_view text) {
    return path.RunUntil([&] { return absl::StrContains(u.All(), text); });
  }

  // Answers every request without a body that has arrived and has no answer yet.
  void AnswerUpstream(absl::string_view response) {
    for (FakeUpstream* u : {&a, &b}) {
      u->Poll();
      for (const auto& connection : u->connections()) {
        size_t& answered = answered_[connection.get()];
        for (; answered < CountOf(connection->Got(), "\r\n\r\n"); ++answered) {
          connection->Send(response);
        }
      }
    }
  }
  // Sends a request on a connection of its own, lets the upstreams answer, and waits for the whole
  // response. Status 0: there was none.
  Answer Ask(absl::string_view request, absl::string_view from = "192.0.2.7:4711",
             absl::string_view response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") {
    auto client = path.Connect(from);
    client->Send(request);
    std::optional<Answer> answer;
    path.RunUntil([&] {
      AnswerUpstream(response);
      answer = TakeApart(client->Got());
      return answer.has_value();
    });
    client->Close();
    path.Settle();
    return answer.value_or(Answer());
  }
  // GET with further fields, each ending in CRLF.
  Answer Get(absl::string_view target, absl::string_view fields = "",
             absl::string_view from = "192.0.2.7:4711") {
    return Ask(absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: pay.example\r\n", fields, "\r\n"),
               from);
  }

  FakeUpstream a, b;
  DataPath path;

 private:
  std::map<const Peer*, size_t> answered_;
};

}  // namespace tollgate::proxy
