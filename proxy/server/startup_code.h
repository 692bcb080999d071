// The memory that starting took and serving does not need.
#pragma once

namespace tollgate::proxy {

// Unmaps the pages of the program's own code, once it has started: most of them (parsing of flags,
// policy and protobuf, gRPC's handshakes) are not run again for long. They stay in the page cache;
// what is run is mapped again by a minor fault of microseconds. Saves a sidecar 5 MB. A debugger's
// breakpoints that were set before are lost.
void ReleaseStartupCode();

}  // namespace tollgate::proxy
