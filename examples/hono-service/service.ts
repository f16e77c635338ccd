/** The routes: HTTP on one side, typed tables on the other, and every error told with its code. */
import { Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { increment, isErrorCode, MeridianError, type Database, type ErrorCode } from 'meridian'
import type { Schema } from './schema.ts'

/** What callers are told; whatever is not named here is an error of the service: 500. */
const STATUS: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  INVALID_ARGUMENT: 400,
  INVALID_VALUE: 400,
  TENANT_NOT_FOUND: 404,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  IDEMPOTENCY_REUSED: 409,
  OVERLOADED: 503,
  REGION_UNREACHABLE: 503,
  DEADLINE_EXCEEDED: 504,
}

interface NewBooking {
  readonly room: string
  readonly day: string
  readonly guest: string
  readonly cents: number
}

/** Makes the service over a client that stands where the service does. */
export function createService(db: Database<Schema>): Hono {
  const app = new Hono()

  // A room and a day are the key: the second booking of both is refused by the store itself.
  app.post('/hotels/:hotel/bookings', async (c) => {
    const { room, day, guest, cents } = await c.req.json<NewBooking>()
    const id = `${day}/${room}`
    // A caller that got no answer repeats with the same key, and books once.
    const idempotencyKey = c.req.header('idempotency-key')
    await db
      .tenant(c.req.param('hotel'))
      .bookings.insert(
        { id, room, day, guest, cents },
        idempotencyKey === undefined ? {} : { idempotencyKey },
      )
    return c.json({ id }, 201)
  })

  app.get('/hotels/:hotel/bookings/:day', async (c) => {
    const { hotel, day } = c.req.param()
    const { rows } = await db.tenant(hotel).bookings.list({ where: { day } })
    return c.json(rows)
  })

  app.get('/hotels/:hotel/revenue', async (c) => {
    const { value, receipt } = await db
      .tenant(c.req.param('hotel'))
      .view('revenue')
      .list()
      .withReceipt()
    c.header('served-by', receipt.region)
    return c.json(value)
  })

  app.post('/hotels/:hotel/visits/:page', async (c) => {
    const { hotel, page } = c.req.param()
    const { visits } = db.tenant(hotel)
    const count = (): PromiseLike<object> => visits.update(page, { views: increment(1) })
    try {
      return c.json(await count())
    } catch (error) {
      if (!isErrorCode(error, 'NOT_FOUND')) throw error
      // The first visit of a page; whoever else sees it first at the same time counts as well.
      await visits.insert({ page, views: 0 }).catch((reason: unknown) => {
        if (!isErrorCode(reason, 'ALREADY_EXISTS')) throw reason
      })
      return c.json(await count())
    }
  })

  app.onError((error, c) => {
    if (!(error instanceof MeridianError)) throw error
    const { code, message, retry } = error
    return c.json({ code, message, retry }, STATUS[code] ?? 500)
  })

  return app
}
