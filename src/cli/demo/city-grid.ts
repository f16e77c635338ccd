/** The cities as dots of a grid: enough to draw the world's coasts with. */
import type { Dataset, HomeRegion } from './dataset.ts'

/** A cell of the grid with a city in it. */
export interface GridDot {
  readonly latitude: number
  readonly longitude: number
  /** The home region of most of its cities. */
  readonly home: HomeRegion
}

const CELL_DEGREES = 1.5

/** One dot for each cell that has a city. */
export function cityGrid(dataset: Dataset): readonly GridDot[] {
  const cells = new Map<string, Map<HomeRegion, number>>()
  for (const { home, cities } of dataset.countries) {
    for (const { latitude, longitude } of cities) {
      const key = `${Math.floor(latitude / CELL_DEGREES)}/${Math.floor(longitude / CELL_DEGREES)}`
      const homes = cells.get(key) ?? new Map<HomeRegion, number>()
      homes.set(home, (homes.get(home) ?? 0) + 1)
      cells.set(key, homes)
    }
  }
  return [...cells].map(([key, homes]) => {
    const [row = 0, column = 0] = key.split('/').map(Number)
    const [most] = [...homes].sort((a, b) => b[1] - a[1])
    return {
      latitude: (row + 0.5) * CELL_DEGREES,
      longitude: (column + 0.5) * CELL_DEGREES,
      home: most?.[0] ?? 'eu-west',
    }
  })
}
