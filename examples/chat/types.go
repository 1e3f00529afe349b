package main

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parlor-rooms/parlor/actors"
)

const (
	nameLimit = 24        // characters of a name
	roomLimit = 32        // characters of a room's name
	textLimit = 1000      // characters of a message
	fileLimit = 256 << 10 // bytes of a picture
	backlog   = 50        // messages that a newcomer is shown
	lobby     = "general" // everybody is in it
	sendRate  = 5         // messages a client may send per second
	sendBurst = 10        // and at once
)

// Person is a user as others see it.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Said is a message as it is shown. Everything but the text is the server's.
type Said struct {
	ID   int64         `json:"id"`
	Room string        `json:"room"`
	User Person        `json:"user"`
	Text string        `json:"text"`
	Type string        `json:"type,omitempty"` // of a picture
	File actors.Binary `json:"file,omitempty"`
	At   int64         `json:"at"` // milliseconds since 1970
}

// RoomName is the payload of joinRoom and leaveRoom.
type RoomName struct {
	Room string `json:"room"`
}

// Validate implements the check of payloads.
func (r RoomName) Validate() error {
	if r.Room == "" || r.Room != tidy(r.Room, roomLimit) {
		return errors.New("a room's name has 1 to 32 printable characters")
	}
	return nil
}

// Message is the payload of the event message.
type Message struct {
	Room string `json:"room"`
	Text string `json:"text"`
}

// Validate implements the check of payloads.
func (m Message) Validate() error {
	if strings.TrimSpace(m.Text) == "" || utf8.RuneCountInString(m.Text) > textLimit {
		return errors.New("a message has 1 to 1000 characters")
	}
	return nil
}

// File is the payload of the event file: a picture.
type File struct {
	Room string        `json:"room"`
	Type string        `json:"type"`
	File actors.Binary `json:"file"`
}

// Validate implements the check of payloads.
func (f File) Validate() error {
	switch f.Type {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
	default:
		return errors.New("a file is a PNG, JPEG, GIF or WebP picture")
	}
	if len(f.File) == 0 || len(f.File) > fileLimit {
		return errors.New("a picture has at most 256 KiB")
	}
	return nil
}

// Typing is the payload of the event typing, and what others are told.
type Typing struct {
	Room string  `json:"room"`
	On   bool    `json:"on"`
	User *Person `json:"user,omitempty"` // set by the server
}

// Presence is who is in a room.
type Presence struct {
	Room   string   `json:"room"`
	People []Person `json:"people"`
}

// Entered is the acknowledgement of joinRoom.
type Entered struct {
	Presence
	History []Said `json:"history"`
}

// Moved is the payload of userJoined and userLeft.
type Moved struct {
	Room string `json:"room"`
	User Person `json:"user"`
}

// pace is a token bucket.
type pace struct {
	left float64
	at   time.Time
}

func (p *pace) take(now time.Time) bool {
	if p.at.IsZero() {
		p.left = sendBurst
	} else {
		p.left = min(sendBurst, p.left+now.Sub(p.at).Seconds()*sendRate)
	}
	p.at = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}

// tidy returns s as one line of printable text, at most limit characters.
func tidy(s string, limit int) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsPrint(c):
			return -1
		}
		return c
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > limit {
		s = strings.TrimSpace(string([]rune(s)[:limit]))
	}
	return s
}
