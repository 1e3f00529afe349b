package embedded

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// This file reads Pebble's record format, of which manifests and logs are made,
// as package record of Pebble describes it: blocks of 32 KiB, in them chunks of
// checksum (4 bytes), length (2), type (1), in logs also the number of the log
// (4) and an offset up to where the log was on disk when the chunk was made
// (8), and the payload. The checksum covers all that follows the length. A
// block ends in zeros where no header fits.
const (
	blockBytes     = 32 << 10
	manifestHeader = 7
	logHeader      = 19
	logTypes       = 9 // the first of four types of chunks in logs
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chunkEnd returns where the chunk at a position ends; ok is false if no intact
// chunk with such a header is there.
func chunkEnd(file []byte, at, header int) (end int, ok bool) {
	if at+header > len(file) {
		return 0, false
	}
	n := int(binary.LittleEndian.Uint16(file[at+4:]))
	end = at + header + n
	if end > len(file) || at%blockBytes+header+n > blockBytes {
		return 0, false
	}
	c := crc32.Checksum(file[at+6:end], castagnoli)
	return end, binary.LittleEndian.Uint32(file[at:]) == (c>>15|c<<17)+0xa282ead8
}

// intactBytes is how far a file reads without a damaged chunk, its padding
// included.
func intactBytes(file []byte, header int, fits func(at int) bool) int {
	for at := 0; ; {
		if left := blockBytes - at%blockBytes; left < header {
			at = min(at+left, len(file))
		}
		end, ok := chunkEnd(file, at, header)
		if !ok || !fits(at) {
			return at
		}
		at = end
	}
}

// intactManifest is intactBytes of a manifest.
func intactManifest(file []byte) int64 {
	return int64(intactBytes(file, manifestHeader, func(at int) bool { return file[at+6] >= 1 && file[at+6] <= 4 }))
}

// damageInLog returns where a log is damaged, and -1 if it is not. Where it
// cannot be read on it may have been cut short by the end of the process or of
// power, before what follows was acknowledged, and that is no damage. It is if
// an intact chunk behind says that the place was on disk already. Pebble's own
// reader looks for such chunks from the next block on only, and takes a damaged
// byte in the last block for the end.
func damageInLog(file []byte, number uint32) int {
	fits := func(at int) bool {
		return file[at+6] >= logTypes && file[at+6] < logTypes+4 && binary.LittleEndian.Uint32(file[at+7:]) == number
	}
	stop := intactBytes(file, logHeader, fits)
	for at := stop + 1; at+logHeader <= len(file); at++ {
		if !fits(at) || binary.LittleEndian.Uint64(file[at+11:]) <= uint64(stop) {
			continue
		}
		if _, ok := chunkEnd(file, at, logHeader); ok {
			return stop
		}
	}
	return -1
}

// checkLogs returns an error that wraps ErrDamaged if a log is.
func checkLogs(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		digits, isLog := strings.CutSuffix(name, ".log")
		number, err := strconv.ParseUint(digits, 10, 64)
		if !isLog || err != nil {
			continue
		}
		file, err := readFile(fs, dir, name)
		if err != nil {
			return err
		}
		if at := damageInLog(file, uint32(number)); at >= 0 {
			return fmt.Errorf("%w: %s at byte %d of %d", ErrDamaged, name, at, len(file))
		}
	}
	return nil
}
