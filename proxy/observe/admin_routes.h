// What the admin endpoint answers, without sockets: one function from a request to a response.
// Called on the admin thread.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "proxy/http/message.h"
#include "proxy/observe/admin_server.h"

namespace tollgate::proxy {

struct AdminResponse {
  int status = 200;
  absl::string_view content_type = "application/json";
  std::string allow;  // for 405
  std::string body;
};

// `head.body` has been read and dropped: no path takes one.
AdminResponse AnswerAdmin(const AdminActions& actions, const RequestHead& head);

// An RFC 9457 problem.
AdminResponse AdminProblem(int status, absl::string_view detail);

}  // namespace tollgate::proxy
