package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// compressFrom is the shortest polling response that is compressed, as
// upstream.
const compressFrom = 1024

// compressor lends gzip writers, of which one costs about 800 KB. The zero value
// is ready; any goroutine may use it.
type compressor struct{ idle sync.Pool }

func (c *compressor) compress(body []byte) []byte {
	var out bytes.Buffer
	zip, ok := c.idle.Get().(*gzip.Writer)
	if !ok {
		var err error
		if zip, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			panic(err) // the level exists
		}
	}
	defer c.idle.Put(zip)
	zip.Reset(&out)
	_, _ = zip.Write(body) // a buffer takes everything
	_ = zip.Close()
	return out.Bytes()
}

// acceptsGzip reports whether the client would rather have gzip than nothing:
// RFC 9110 section 12.5.3.
func acceptsGzip(r *http.Request) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for entry := range strings.SplitSeq(line, ",") {
			coding, parameter, _ := strings.Cut(entry, ";")
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip", "*":
			default:
				continue
			}
			q, weighted := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q=")
			if !weighted {
				return true
			}
			weight, err := strconv.ParseFloat(q, 64)
			return err == nil && weight > 0
		}
	}
	return false
}

// ignoreUnsupported hides that a ResponseWriter lacks an optional method.
func ignoreUnsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
