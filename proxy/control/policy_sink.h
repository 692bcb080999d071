// Where a policy goes once it has arrived whole: the server assembly implements this, proxy/control
// calls it. The sink outlives its caller; its `done` may be called from any thread, exactly once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/policy/from_proto.h"
#include "common/policy/policy.h"
#include "common/policy/token_denial.h"

namespace tollgate::proxy {

// What is refused whatever the policy says. A value.
struct Denials {
  std::vector<std::string> key_ids;  // more API keys: those of earlier calls stay denied for ever
  std::vector<TokenDenial> tokens;   // all tokens: what is missing here is allowed again
};

class PolicySink {
 public:
  virtual ~PolicySink() = default;

  // Compiles off the workers and posts to every worker. `done` comes with no errors after the last
  // worker has adopted, or with errors (e.g. ADDRESS_IN_USE on a Listener), and then the previous
  // policy goes on everywhere. Called on the control thread, one at a time; must not block.
  virtual void Adopt(std::shared_ptr<const Policy> policy,
                     std::function<void(std::vector<ResourceError>)> done) = 0;

  // In every worker from now on, also for streams that are open: those that it concerns end. `done`
  // comes when the last worker has it. May overlap an Adopt and other calls of itself; the newest
  // call decides about tokens. Called on the control thread; must not block.
  virtual void Deny(Denials denials, std::function<void()> done) = 0;
};

}  // namespace tollgate::proxy
