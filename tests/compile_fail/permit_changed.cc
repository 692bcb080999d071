// What was authorised cannot be rewritten afterwards.
#include "proxy/upstream/attempt.h"

namespace tollgate::proxy {

void Redirect(Permit& permit) { permit.request().path.clear(); }

}  // namespace tollgate::proxy
