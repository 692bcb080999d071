// Who answers what would happen to a request: the server assembly implements this, proxy/control
// asks it. It outlives its caller.
#pragma once

#include <functional>

#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::proxy {

class Explainer {
 public:
  virtual ~Explainer() = default;

  // Evaluates the question on the newest policy, off the workers: nothing is counted, no credential
  // is looked at. `done` is called once, on any thread; its id is not set. Called on the control
  // thread; must not block.
  virtual void Explain(agent::v1::Explain question,
                       std::function<void(agent::v1::Explanation)> done) = 0;
};

}  // namespace tollgate::proxy
