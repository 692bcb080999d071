#include "proxy/http/http1_encode.h"

#include <charconv>
#include <cstring>

#include "proxy/http/chars.h"
#include "proxy/http/reason_phrase.h"

namespace tollgate::proxy {
namespace {

constexpr uint64_t Bit(HeaderId id) { return uint64_t{1} << static_cast<unsigned>(id); }
static_assert(static_cast<unsigned>(HeaderId::kXRequestId) < 64);

constexpr uint64_t kWrittenByCodec = Bit(HeaderId::kConnection) | Bit(HeaderId::kContentLength) |
                                     Bit(HeaderId::kHost) | Bit(HeaderId::kKeepAlive) |
                                     Bit(HeaderId::kProxyConnection) | Bit(HeaderId::kTe) |
                                     Bit(HeaderId::kTransferEncoding) | Bit(HeaderId::kUpgrade);

size_t SizeOf(const HeaderMap& fields) {
  size_t size = 0;
  for (const HeaderMap::Field& f : fields) size += f.name.size() + f.value.size() + 4;
  return size;
}

}  // namespace

HeadWriter::HeadWriter(WriteQueue& out, const HeaderMap& fields, size_t extra)
    : out_(out), begin_(out.Reserve(SizeOf(fields) + extra + 2)), at_(begin_) {}

void HeadWriter::PutNumber(uint64_t number) { at_ = std::to_chars(at_, at_ + 20, number).ptr; }

void HeadWriter::PutStatusLine(int status) {
  if (status == 200) return Put("HTTP/1.1 200 OK\r\n");
  Put("HTTP/1.1 ");
  PutNumber(static_cast<uint64_t>(status < 100 || status > 999 ? 500 : status));
  Put(" ");
  Put(ReasonPhrase(status));
  Put("\r\n");
}

void HeadWriter::PutFields(const HeaderMap& fields) {
  for (const HeaderMap::Field& f : fields) {
    if (Bit(f.id) & kWrittenByCodec) continue;
    if (f.id == HeaderId::kOther && !IsToken(f.name)) continue;
    Put(f.name);
    Put(": ");
    char* const value = at_;
    Put(f.value);
    if (HasControl(f.value)) {
      for (char* p = value; p < at_; ++p) {
        if (HasControl({p, 1})) *p = ' ';
      }
    }
    Put("\r\n");
  }
}

void HeadWriter::Finish() {
  Put("\r\n");
  out_.Commit(static_cast<size_t>(at_ - begin_));
}

void BodyWriter::Begin(Framing framing, uint64_t length) {
  framing_ = framing;
  remaining_ = length;
  done_ = false;
}

bool BodyWriter::Data(absl::string_view data, bool end, WriteQueue& out) {
  if (done_) return data.empty();
  done_ = end;
  switch (framing_) {
    case Framing::kNone:
      return true;
    case Framing::kUntilClose:
    case Framing::kRaw:
      if (!data.empty()) out.Borrow(data);
      return true;
    case Framing::kLength: {
      const bool fits = data.size() <= remaining_;
      if (!fits) data = data.substr(0, static_cast<size_t>(remaining_));
      remaining_ -= data.size();
      if (!data.empty()) out.Borrow(data);
      return fits && (!end || remaining_ == 0);
    }
    case Framing::kChunked:
      if (!data.empty()) {
        char* const room = out.Reserve(18);
        char* at = std::to_chars(room, room + 16, data.size(), 16).ptr;
        *at++ = '\r';
        *at++ = '\n';
        out.Commit(static_cast<size_t>(at - room));
        out.Borrow(data);
        out.Append(end ? "\r\n0\r\n\r\n" : "\r\n");
      } else if (end) {
        out.Append("0\r\n\r\n");
      }
      return true;
  }
  return false;
}

bool BodyWriter::Trailers(const HeaderMap& trailers, WriteQueue& out) {
  if (framing_ != Framing::kChunked || done_) return Data({}, true, out);
  done_ = true;
  HeadWriter writer(out, trailers, 3);
  writer.Put("0\r\n");
  writer.PutFields(trailers);
  writer.Finish();
  return true;
}

}  // namespace tollgate::proxy
