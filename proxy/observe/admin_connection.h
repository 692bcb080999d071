// One connection of the admin endpoint: reads a request, answers it, writes, reads on. One request
// at a time, and none is read before the last response has been written, so a connection holds
// little. Owned by the admin server; its loop's thread only.
#pragma once

#include <memory>
#include <optional>

#include "proxy/event/loop.h"
#include "proxy/http/codec.h"
#include "proxy/net/buffer.h"
#include "proxy/net/socket.h"
#include "proxy/net/transport.h"
#include "proxy/net/write_queue.h"
#include "proxy/observe/admin_server.h"

namespace tollgate::proxy {

class AdminConnection final : private IoHandler, private ServerCodecEvents {
 public:
  class Owner {
   public:
    // The connection has closed itself; to be destroyed later, not in this call.
    virtual void OnClosed(AdminConnection& connection) = 0;

   protected:
    ~Owner() = default;
  };

  AdminConnection(Loop& loop, BufferPool& pool, Owner& owner, const AdminActions& actions,
                  Duration timeout, UniqueFd fd);
  ~AdminConnection();
  AdminConnection(const AdminConnection&) = delete;
  AdminConnection& operator=(const AdminConnection&) = delete;

  // May close at once.
  void Start();

 private:
  enum class State { kOpen, kLingering, kClosed };

  void OnIo(IoEvents events) override;
  void OnRequestHead(StreamId id, RequestHead& head, bool end) override;
  void OnRequestData(StreamId id, absl::string_view data, bool end) override;
  void OnRequestTrailers(StreamId id, HeaderMap& trailers) override;
  void OnRequestReset(StreamId id, ResetReason reason) override;

  void Run();
  bool Feed();
  bool ReadSome();
  void AnswerRequest();
  void AnswerFailure(const FeedResult& fed);
  void Encode(StreamId id, int status, absl::string_view content_type, absl::string_view allow,
              absl::string_view body);
  bool FlushAll();
  void Linger();
  void Close();

  Loop& loop_;
  Owner& owner_;
  const AdminActions& actions_;
  const Duration timeout_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ServerCodec> codec_;
  Buffer in_;
  WriteQueue out_;
  Timer timer_;
  State state_ = State::kOpen;
  RequestHead head_;
  StreamId stream_ = 0;
  size_t body_bytes_ = 0;
  bool request_complete_ = false;
  bool fed_all_ = false;   // the codec wants bytes beyond those in in_
  bool readable_ = false;  // the socket may hold bytes
  bool hangup_ = false;
  bool eof_ = false;
  bool close_after_write_ = false;
};

}  // namespace tollgate::proxy
