"""Whose record is handled next: lanes by weight, owners in turn, each owner's records in the order of their arrival."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar

URGENT_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Lane:
    """How the records of one topic share the window with those of the others."""

    weight: float = 1.0
    """With records waiting in each lane, one of weight 8 is given eight times as many slots as one of weight 1."""
    share: float = 1.0
    """The part of the window that it may fill, at least one slot: the rest stays free for the other lanes."""
    gives_way: bool = False
    """`bound` holds its records back while somebody waits for those of others."""
    combines: bool = False
    """Records of several partitions may go together in one batch, which takes one slot. What comes while it is in work
    becomes the next one; a second is in work beside it only where the last one was full."""
    waited_for: bool = True
    """Its records tell that somebody waits; not so those of lanes that give way."""


class Waiting(Protocol):
    """What is scheduled."""

    number: int
    """Rises with the arrival."""
    lane: str
    turn: Hashable
    """Whose it is."""
    order: Hashable
    """Those of one order are handled one after the other; None: in no order."""
    is_urgent: bool


Item = TypeVar("Item", bound=Waiting)


class _Queue(Generic[Item]):
    """One lane."""

    def __init__(self, lane: Lane, window: int) -> None:
        self.step = 1 / lane.weight
        self.limit = self.share = max(1, int(window * lane.share))
        self.gives_way = lane.gives_way
        self.combines = lane.combines
        self.overflows = False
        self.running = 0
        self.passed = 0.0
        self.turns: deque[Hashable] = deque()
        self._of: dict[Hashable, list[tuple[int, Item]]] = {}

    @property
    def may_begin(self) -> bool:
        """Something waits, and may have a slot if one is free."""
        at_most = 1 if self.combines and not self.overflows else self.limit
        return bool(self.turns) and self.running < at_most

    def add(self, item: Item) -> None:
        own = self._of.get(item.turn)
        if own is None:
            self._of[item.turn] = [(item.number, item)]
            self.turns.append(item.turn)
        else:
            heappush(own, (item.number, item))

    def take(self) -> Item:
        turn = self.turns[0]
        own = self._of[turn]
        item = heappop(own)[1]
        if own:
            self.turns.rotate(-1)
        else:
            self.turns.popleft()
            del self._of[turn]
        return item

    def next(self) -> Item | None:
        """What `take` would give."""
        return self._of[self.turns[0]][0][1] if self.turns else None

    def keep(self, items: Iterable[Item]) -> None:
        """Only these are left."""
        self.turns.clear()
        self._of.clear()
        for item in items:
            self.add(item)

    def all(self) -> Iterable[Item]:
        for own in self._of.values():
            for _, item in own:
                yield item


class Schedule(Generic[Item]):
    """What waits, and which slots of the window are free. Each step takes the same time however many wait.

    Knows nothing of Kafka or asyncio. An urgent item waits for no slot and no order, only for other urgent ones.
    """

    def __init__(self, window: int, lanes: Mapping[str, Lane]) -> None:
        """window: items in work at once. lanes: those not named have weight 1 and may fill the window."""
        self._window = window
        self._running = 0
        self._queues: dict[str, _Queue[Item]] = {name: _Queue(lane, window) for name, lane in lanes.items()}
        self._clock = 0.0
        self._urgent: deque[Item] = deque()
        self._urgent_running = 0
        self._behind: dict[Hashable, deque[Item]] = {}

    def add(self, item: Item) -> bool:
        """A new item. False where it must wait for another of its order: then `finished` gives it out."""
        if item.order is not None and not item.is_urgent:
            behind = self._behind.get(item.order)
            if behind is not None:
                behind.append(item)
                return False
            self._behind[item.order] = deque()
        return True

    def ready(self, item: Item) -> None:
        """An item waits for a slot: a new one, one that is its order's next, or one to be tried again."""
        if item.is_urgent:
            self._urgent.append(item)
            return
        queue = self._queue_of(item.lane)
        if not queue.turns and queue.passed < self._clock:
            queue.passed = self._clock  # what it did not use while it was empty is not saved up
        queue.add(item)

    def _queue_of(self, lane: str) -> "_Queue[Item]":
        queue = self._queues.get(lane)
        if queue is None:
            queue = self._queues[lane] = _Queue(Lane(), self._window)
        return queue

    def bound(self, at_most: int | None) -> None:
        """Have so many items of lanes that give way in work, each; None: as many as their share."""
        for queue in self._queues.values():
            if queue.gives_way:
                queue.limit = queue.share if at_most is None else min(queue.share, at_most)

    def take(self) -> Item | None:
        """The item to handle now, in a slot that is taken with it; None where nothing may start."""
        if self._urgent and self._urgent_running < URGENT_AT_ONCE:
            self._urgent_running += 1
            return self._urgent.popleft()
        if self._running >= self._window:
            return None
        best: _Queue[Item] | None = None
        for queue in self._queues.values():
            if queue.may_begin and (best is None or queue.passed < best.passed):
                best = queue
        if best is None:
            return None
        self._clock = best.passed
        best.passed += best.step
        best.running += 1
        self._running += 1
        return best.take()

    def release(self, item: Item) -> None:
        """The item's slot is free."""
        if item.is_urgent:
            self._urgent_running -= 1
        else:
            self._running -= 1
            self._queues[item.lane].running -= 1

    def finished(self, item: Item) -> Item | None:
        """The item is done with, for good: the next one of its order, which is not `ready` yet."""
        if item.order is None or item.is_urgent:
            return None
        behind = self._behind[item.order]
        if behind:
            return behind.popleft()
        del self._behind[item.order]
        return None

    def following(self, item: Item, at_most: int, fits: Callable[[Item], bool]) -> list[Item]:
        """What waits behind an item in work and goes with it: the next ones of its order, as far as they fit."""
        behind = self._behind.get(item.order)
        taken: list[Item] = []
        while behind and len(taken) < at_most and fits(behind[0]):
            taken.append(behind.popleft())
        return taken

    def beside(self, item: Item, fits: Callable[[Item], bool]) -> Item | None:
        """What waits next in the lane of an item in work, taken into that one's slot; None where it does not fit."""
        queue = self._queues[item.lane]
        other = queue.next() if queue.combines else None
        return queue.take() if other is not None and fits(other) else None

    def combined(self, item: Item, *, is_full: bool) -> None:
        """What goes with an item in work was taken; full: more may wait than one batch holds."""
        self._queue_of(item.lane).overflows = is_full

    def put_back(self, item: Item, others: Sequence[Item]) -> None:
        """These wait behind the item again, before all others."""
        self._behind[item.order].extendleft(reversed(others))

    def drop(self, is_gone: Callable[[Item], bool]) -> None:
        """Forget waiting items. Those in work keep their slots until they are released."""
        self._urgent = deque(item for item in self._urgent if not is_gone(item))
        for queue in self._queues.values():
            queue.keep([item for item in queue.all() if not is_gone(item)])

    def drop_orders(self, is_gone: Callable[[Hashable], bool]) -> None:
        """Forget orders with all that waits in them."""
        for order in [each for each in self._behind if is_gone(each)]:
            del self._behind[order]
