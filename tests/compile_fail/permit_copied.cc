// A permit is for one request: it moves, and is never doubled.
#include "proxy/upstream/attempt.h"

namespace tollgate::proxy {

Permit Double(const Permit& permit) { return Permit(permit); }

}  // namespace tollgate::proxy
